"""What the API decides on a request, without I/O: route, authenticate, limit, perform."""

import random
from collections.abc import Mapping
from typing import NamedTuple

import attrs

from legitmark_async.sandbox import _envelopes as envelopes
from legitmark_async.sandbox._asset import Asset
from legitmark_async.sandbox._catalogue import CATALOGUE, answer_catalogue
from legitmark_async.sandbox._envelopes import Answer, Moment
from legitmark_async.sandbox._ledger import Ledger, Tally
from legitmark_async.sandbox._limits import NANOSECONDS, NO_LIMITS, Limiter, Limits
from legitmark_async.sandbox._operations import Operations
from legitmark_async.sandbox._records import Records
from legitmark_async.sandbox._routes import Route, find_route
from legitmark_async.sandbox._states import States
from legitmark_async.sandbox._storage import Signer
from legitmark_async.sandbox._words import choose_language

# With which headers URLs are signed, and for how many seconds.
Signing = tuple[tuple[str, ...], float]


# Seconds for which find doesn't see what is new, and for which get tells again what it has told.
Stale = tuple[float, float]


class Call(NamedTuple):
    """A request as it was received: path and query still percent-encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Api:
    """The state behind the answers. Only the server's request handler and its control calls change it."""

    def __init__(self, seed: int, stale: Stale, verdicts: Mapping[str, float] | None, signing: Signing) -> None:
        self._rng = random.Random(f"{seed}/ids")
        self.api_key = f"leo_sandbox_{self._rng.getrandbits(96):024x}"
        self._user = f"{self._rng.getrandbits(32):08x}-7c4f-11ef-a623-02595575faeb"
        self.records = Records(self._rng)
        self.tally = Tally()
        self.states = States(random.Random(f"{seed}/verdicts"), verdicts)
        find_delay, get_cache = [round(seconds * NANOSECONDS) for seconds in stale]
        self.operations = Operations(self.records, self.states, self._user, find_delay, get_cache)
        storage = random.Random(f"{seed}/storage")
        self.asset = Asset(self.records, storage, Signer(storage, *signing))
        self.limit(None)

    @property
    def ledger(self) -> Ledger:
        """The counts as they stand."""
        submitted = sum(record.submissions for record in self.records.all)
        counted = self.tally.snapshot(len(self.records), self.records.unique)
        return attrs.evolve(counted, submitted=submitted, intents=self.asset.intents, photos=self.asset.stored)

    def limit(self, limits: Limits | None) -> None:
        """Starts anew under these limits."""
        self.limits = limits or NO_LIMITS
        self._limiter = Limiter(self.limits)
        self.tally.audit(self.limits)

    def clear(self) -> None:
        """Forgets records, counts and the limiter's state; the limits stay."""
        self.records.clear()
        self.states.clear()
        self.operations.clear()
        self.asset.clear()
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
        if call.method != route.method:
            refusal = envelopes.encode_error(moment, 405, f"Method {call.method} is not allowed here")
            return attrs.evolve(refusal, headers={"Allow": route.method})
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
        if route.operation == "create":
            return self.operations.create(call.headers.get("Content-Type", ""), call.body, moment)
        language = choose_language(call.headers)
        perform = answer_catalogue if route.operation in CATALOGUE else self.operations.perform
        answer = perform(route.operation, route.argument, call.query, language, moment)
        return attrs.evolve(answer, headers={**answer.headers, "Content-Language": language})
