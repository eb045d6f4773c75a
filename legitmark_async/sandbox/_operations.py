"""The operations on service requests (contract sections 7.1 to 7.6)."""

from typing import Any
from urllib.parse import parse_qs, unquote

from legitmark_async.sandbox import _envelopes as envelopes
from legitmark_async.sandbox._envelopes import Answer, Moment
from legitmark_async.sandbox._expansions import encode_full_record, parse_flags
from legitmark_async.sandbox._records import Record, Records
from legitmark_async.sandbox._routes import Operation
from legitmark_async.sandbox._sides import count_photos, encode_groups
from legitmark_async.sandbox._states import States
from legitmark_async.sandbox._validation import Draft, Problem, is_uuid, parse_draft

_S3_WARNING = "Media count unavailable due to S3 connectivity issues"


class Operations:
    """What the API does with service requests.

    Attributes:
        s3_fault: Whether the photos can't be counted: progress tells so, and means nothing.
    """

    def __init__(self, records: Records, states: States, user: str, find_delay: int, get_cache: int) -> None:
        self._records = records
        self._states = states
        self._user = user
        self._find_delay = find_delay
        self._get_cache = get_cache
        # What get has told: until when it is told again, by all that it depends on.
        self._told: dict[tuple[str, str, str], tuple[int, dict[str, Any]]] = {}
        self.s3_fault = False
        self._by_name = {
            "get": self._get,
            "find": self._find,
            "progress": self._progress,
            "side_groups": self._side_groups,
            "submit": self._submit,
        }

    def clear(self) -> None:
        """Forgets what was told."""
        self._told.clear()

    def create(self, content_type: str, body: bytes, moment: Moment) -> Answer:
        """Makes a service request."""
        draft = parse_draft(content_type, body)
        if not isinstance(draft, Draft):
            return envelopes.encode_problems(moment, draft)
        record = self._records.add(draft, moment.iso, moment.now)
        return envelopes.encode_success(
            "Service request initiated successfully.", sr=envelopes.encode_record(record, self._user)
        )

    def perform(self, operation: Operation, argument: str, query: str, language: str, moment: Moment) -> Answer:
        """Does what else there is."""
        return self._by_name[operation](unquote(argument), query, language, moment)

    def _get(self, identifier: str, query: str, language: str, moment: Moment) -> Answer:
        flags = parse_flags(query)
        if isinstance(flags, list):
            return envelopes.encode_problems(moment, flags)
        record = self._known(identifier, moment)
        if isinstance(record, Answer):
            return record
        key = (record.uuid, query, language)
        until, told = self._told.get(key, (0, {}))
        hit = moment.now < until
        if not hit:
            told = encode_full_record(record, self._user, flags, language)
        if self._get_cache and not hit:
            self._told[key] = (moment.now + self._get_cache, told)
        return envelopes.encode_success(
            "The sr was successfully fetched.",
            rc_hit=hit,
            rc_key=f"srs:{record.uuid.replace('-', '')}",
            sr=told,
        )

    def _find(self, identifier: str, _: str, __: str, moment: Moment) -> Answer:
        record = self._records.find(identifier, moment.now - self._find_delay)
        if record is None:
            return envelopes.encode_error(moment, 404, "Service request not found")
        return envelopes.encode_success("The sr was found.", sr=envelopes.encode_summary(record))

    def _progress(self, _: str, query: str, __: str, moment: Moment) -> Answer:
        record = self._known(parse_qs(query).get("sr_id", [""])[-1], moment, name="sr_id")
        if isinstance(record, Answer):
            return record
        progress = count_photos(record)
        document = {"success": True, "progress": progress, "last_updated": moment.iso}
        if self.s3_fault:
            progress |= {"current_required": 0, "current_optional": 0, "met": False}
            document |= {"warning": _S3_WARNING, "s3_error": True}
        return Answer(200, envelopes.encode(document))

    def _side_groups(self, identifier: str, _: str, language: str, moment: Moment) -> Answer:
        record = self._known(identifier, moment)
        if isinstance(record, Answer):
            return record
        data = {"side_groups": encode_groups(record, language)}
        return envelopes.encode_success("The side groups were fetched successfully.", data=data)

    def _submit(self, identifier: str, _: str, __: str, moment: Moment) -> Answer:
        record = self._known(identifier, moment)
        if isinstance(record, Answer):
            return record
        if not self._states.can_submit(record):
            return envelopes.encode_error(moment, 409, "Service request is submitted already")
        if not count_photos(record)["met"]:
            return envelopes.encode_error(moment, 409, "Photos of required sides are missing")
        self._states.submit(record, moment.iso)
        told = {"uuid": record.uuid, "micro_id": record.micro_id, "state": envelopes.encode_state(record)}
        return envelopes.encode_success("Service request submitted for authentication.", sr=told)

    def _known(self, identifier: str, moment: Moment, *, name: str = "sr_uuid") -> Record | Answer:
        if not is_uuid(identifier):
            problem = Problem(f"validation/invalid-{name}", f"{name} must be a UUID string.")
            return envelopes.encode_problems(moment, [problem])
        record = self._records.get(identifier)
        return envelopes.encode_error(moment, 404, "Service request not found") if record is None else record
