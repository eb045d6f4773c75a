"""What the API decides on a request, without I/O: route, authenticate, limit, perform."""

import random
from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import unquote

import attrs

from legitmark_async.sandbox import _envelopes as envelopes
from legitmark_async.sandbox._envelopes import Answer, Moment
from legitmark_async.sandbox._expansions import encode_full_record, parse_flags
from legitmark_async.sandbox._ledger import Ledger, Tally
from legitmark_async.sandbox._limits import NANOSECONDS, NO_LIMITS, Limiter, Limits
from legitmark_async.sandbox._records import Records
from legitmark_async.sandbox._validation import Draft, Problem, is_uuid, parse_draft

Operation = Literal["create", "get", "find"]

_CREATE_PATH = "/api/v2/sr"
_GET_PREFIX = "/api/v2/sr/"
_FIND_PREFIX = "/api/sr/find/"


class Call(NamedTuple):
    """A request as it was received: path and query still percent-encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Route(NamedTuple):
    """The operation that a path names, and the rest of the path, still percent-encoded."""

    operation: Operation
    argument: str


def find_route(path: str) -> Route | None:
    """The operation of a path; its argument is one segment, so a slash in an identifier comes as %2F."""
    if path == _CREATE_PATH:
        return Route("create", "")
    prefixes: tuple[tuple[str, Operation], ...] = ((_GET_PREFIX, "get"), (_FIND_PREFIX, "find"))
    for prefix, operation in prefixes:
        argument = path.removeprefix(prefix)
        if argument and argument != path and "/" not in argument:
            return Route(operation, argument)
    return None


class Api:
    """The state behind the answers. Only the server's request handler and its control calls change it."""

    def __init__(self, seed: int, find_delay: float) -> None:
        self._rng = random.Random(f"{seed}/ids")
        self._find_delay = round(find_delay * NANOSECONDS)
        self.api_key = f"leo_sandbox_{self._rng.getrandbits(96):024x}"
        self._user = f"{self._rng.getrandbits(32):08x}-7c4f-11ef-a623-02595575faeb"
        self.records = Records(self._rng)
        self.tally = Tally()
        self.limit(None)

    @property
    def ledger(self) -> Ledger:
        """The counts as they stand."""
        return self.tally.snapshot(len(self.records), self.records.unique)

    def limit(self, limits: Limits | None) -> None:
        """Starts anew under these limits."""
        self.limits = limits or NO_LIMITS
        self._limiter = Limiter(self.limits)
        self.tally.audit(self.limits)

    def clear(self) -> None:
        """Forgets records, counts and the limiter's state; the limits stay."""
        self.records.clear()
        self.tally.clear()
        self.limit(self.limits)

    def make_request_id(self) -> str:
        """An id for a request that brought none."""
        return f"req_{self._rng.getrandbits(64):016x}"

    def screen(self, call: Call, moment: Moment) -> Route | Answer:
        """The gateway's part, in its order: route, then key, then limits.

        A request refused by one of them counts in no limit.
        """
        route = find_route(call.path)
        if route is None:
            return envelopes.encode_error(moment, 404, f"No such endpoint: {call.path}")
        method = "POST" if route.operation == "create" else "GET"
        if call.method != method:
            refusal = envelopes.encode_error(moment, 405, f"Method {call.method} is not allowed here")
            return attrs.evolve(refusal, headers={"Allow": method})
        # Find is public (contract section 7.3).
        stranger = None if route.operation == "find" else self._authenticate(call, moment)
        return stranger or self._meter(moment) or route

    def _authenticate(self, call: Call, moment: Moment) -> Answer | None:
        scheme, _, token = call.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return envelopes.encode_error(moment, 401, "Authentication required", details="authorization/missing_token")
        if token == self.api_key:
            return None
        # 403 by the errors table; the SDK's fixture has 401 with this message (contract section 13.26).
        return envelopes.encode_error(moment, 403, "Invalid or expired API key")

    def _meter(self, moment: Moment) -> Answer | None:
        if self._limiter.admit(moment.now):
            self.tally.admitted(moment.now)
            return None
        self.tally.refused += 1
        gauges = self._limiter.gauges(moment.now, refused=True)
        return envelopes.encode_refusal(moment, self.limits, gauges)

    def limit_headers(self, moment: Moment) -> dict[str, str]:
        """What an admitted request is told of the limits."""
        if self.limits.headers != "always":
            return {}
        gauges = self._limiter.gauges(moment.now, refused=False)
        return envelopes.encode_gauges(moment, self.limits.reset_format, gauges)

    def perform(self, route: Route, call: Call, moment: Moment) -> Answer:
        """Does what the request asks for."""
        match route.operation:
            case "create":
                return self._create(call, moment)
            case "get":
                return self._get(unquote(route.argument), call.query, moment)
            case "find":
                return self._find(unquote(route.argument), moment)

    def _create(self, call: Call, moment: Moment) -> Answer:
        draft = parse_draft(call.headers.get("Content-Type", ""), call.body)
        if not isinstance(draft, Draft):
            return envelopes.encode_problems(moment, draft)
        record = self.records.add(draft, moment.iso, moment.now)
        return envelopes.encode_success(
            "Service request initiated successfully.", sr=envelopes.encode_record(record, self._user)
        )

    def _get(self, identifier: str, query: str, moment: Moment) -> Answer:
        if not is_uuid(identifier):
            problem = Problem("validation/invalid-sr_uuid", "sr_uuid must be a UUID string.")
            return envelopes.encode_problems(moment, [problem])
        flags = parse_flags(query)
        if isinstance(flags, list):
            return envelopes.encode_problems(moment, flags)
        record = self.records.get(identifier)
        if record is None:
            return envelopes.encode_error(moment, 404, "Service request not found")
        return envelopes.encode_success(
            "The sr was successfully fetched.",
            rc_hit=False,
            rc_key=f"srs:{record.uuid.replace('-', '')}",
            sr=encode_full_record(record, self._user, flags),
        )

    def _find(self, identifier: str, moment: Moment) -> Answer:
        record = self.records.find(identifier, moment.now - self._find_delay)
        if record is None:
            return envelopes.encode_error(moment, 404, "Service request not found")
        return envelopes.encode_success("The sr was found.", sr=envelopes.encode_summary(record))
