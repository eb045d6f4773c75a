"""Bulk runs with a journal, over a model of the server: whatever happens, nothing twice and nothing lost.

The engine, the calls and the journal are the real ones. In the place of the network stands a list of requests that wait
for their fate, and time passes only when a rule says so.
"""

import asyncio
import json
import shutil
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import pytest
from attrs import define, field
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from multidict import CIMultiDict, CIMultiDictProxy

from legitmark_async import (
    AttemptTimeoutError,
    BulkRun,
    ConnectionFailedError,
    JournalReader,
    Legitmark,
    Outcome,
    RetryPolicy,
    ServiceRequestDraft,
    TransportError,
)
from legitmark_async._transport import Transport
from legitmark_async._wire import Request, Response
from legitmark_async.journal import State, Status
from legitmark_async.testing import make_item

T = TypeVar("T")

BAG = make_item()
ITEMS = 5
EPOCH = float(int(time.time())) - 100.0
PAUSES = (0.5, 1.0)
# Find is behind by less than all pauses together.
STALENESS = st.floats(0.0, 1.4)
LOST = ("timeout", "disconnect", "500", "garbage")


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = 100.0
        super().__init__()

    def time(self) -> float:
        """Tell the virtual time."""
        return self.now


@define(eq=False)
class Waiting:
    """A request that has left and waits for its fate."""

    request: Request[Any]
    fate: "asyncio.Future[Response]"

    @property
    def creates(self) -> bool:
        """Whether it is a create."""
        return self.request.method == "POST"


@define
class Server:
    """What the server has, and what it answers."""

    staleness: float = 0.0
    skew: float = 0.0
    made: list[dict[str, Any]] = field(factory=list[dict[str, Any]])

    def carry_out(self, request: Request[Any], now: float) -> dict[str, Any]:
        """Create."""
        draft = json.loads(request.body or b"")
        made = {
            "uuid": f"uuid-{len(self.made)}",
            "external_id": draft["reference_id"],
            "created_at": datetime.fromtimestamp(EPOCH + self.skew + now, UTC).isoformat(),
            "item": {"category": {"uuid": draft["item"]["category"]}, "types": {"uuid": draft["item"]["type"]}},
            "made": now,
        }
        self.made.append(made)
        return made

    def read(self, request: Request[Any], now: float) -> tuple[int, object]:
        """Find or get, truthfully, but find may be behind."""
        path, _, _ = request.path.partition("?")
        identifier = unquote(path.rpartition("/")[2])
        if path.startswith("/api/sr/find/"):
            seen = [sr for sr in self.made if sr["external_id"] == identifier and sr["made"] <= now - self.staleness]
        else:
            seen = [sr for sr in self.made if sr["uuid"] == identifier]
        return (200, {"sr": seen[-1]}) if seen else (404, {})

    def response(self, status: int, body: object, now: float, **headers: str) -> Response:
        """Answer, dated by the server's clock."""
        given = CIMultiDict({"Date": formatdate(EPOCH + self.skew + now, usegmt=True), **headers})
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(status, CIMultiDictProxy(given), content, "req-1")


class Wire(Transport):
    """A transport that leaves what becomes of each request to the machine."""

    waiting: list[Waiting]
    journal: Path

    async def open(self) -> None:
        """Be open."""
        self._session, self._loop = object(), asyncio.get_running_loop()  # type: ignore[assignment]  # is never used

    async def aclose(self) -> None:
        """Be closed."""
        self._session = None

    def require_open(self) -> Any:  # noqa: ANN401  # nobody uses it
        """Take the machine's word for it."""
        return self._session

    async def send(self, request: Request[T], request_id: str, headers: Mapping[str, str]) -> Response:
        """Wait for a fate; a create must have been noted by now."""
        del request_id, headers
        if request.claim is not None:
            assert self.state_of(request.claim.reference_id) in {State.SENT, State.UNKNOWN}
        waiting = Waiting(request, asyncio.get_running_loop().create_future())
        self.waiting.append(waiting)
        return await waiting.fate

    def state_of(self, reference: str) -> int | None:
        """Read what the file has, as another process would after a crash."""
        with sqlite3.connect(f"{self.journal.as_uri()}?mode=ro", uri=True) as database:
            found = database.execute("SELECT status FROM items WHERE reference = ?", (reference,)).fetchone()
        database.close()
        return None if found is None else int(found[0])


class Process:
    """One life of the program: a loop, a client, a run and who consumes it."""

    def __init__(self, journal: Path, server: Server, now: float) -> None:
        self.loop = VirtualLoop()
        self.loop.now = now
        self.server = server
        self.seen: list[Outcome] = []
        retry = RetryPolicy(base=0.1, cap=0.5, attempts=50, quota=1_000_000, confirm_pauses=PAUSES)
        self.client = Legitmark(
            "leo_model", base_url="https://model.test", retry=retry, clock=self.loop.time, random=lambda: 0.5
        )
        self.wire = Wire("https://model.test", self.client._shared.transport.key, self._timeouts(), lambda: 0.5)
        self.wire.waiting, self.wire.journal = [], journal
        self.client._shared.transport = self.wire
        self.client._assemble(self.client._shared, self.client._options)
        self.run: BulkRun | None = None
        self.task = self.loop.create_task(self._consume(journal))
        self.settle()

    def _timeouts(self) -> Any:  # noqa: ANN401  # the client's own
        return self.client._shared.transport.timeouts

    async def _consume(self, journal: Path) -> None:
        drafts = [ServiceRequestDraft(f"ITEM-{number}", BAG) for number in range(ITEMS)]
        drafts += [drafts[0], ServiceRequestDraft("", BAG)]
        async with self.client:
            self.run = self.client.sr.create_many(drafts, journal=journal, concurrency=3)
            async with self.run as run:
                async for outcome in run:
                    self.seen.append(outcome)

    @property
    def waiting(self) -> list[Waiting]:
        """Requests whose fate is open."""
        return [waiting for waiting in self.wire.waiting if not waiting.fate.done()]

    def settle(self) -> None:
        """Let everything happen that can happen at this instant, in the threads too."""
        settled = 0
        while settled < 3:
            self.spin()
            settled = settled + 1 if self._threads_are_idle() else 0

    def _threads_are_idle(self) -> bool:
        """Give the threads time if they are working; return whether none of them was."""
        journal = getattr(None if self.run is None else self.run._maker.books, "journal", None)
        executors: list[Any] = [self.loop._default_executor]  # type: ignore[attr-defined]  # every loop has one
        executors += [journal._executor] if journal is not None else []
        for executor in executors:
            if executor is None or not any(thread.is_alive() for thread in executor._threads):
                continue
            if executor._work_queue.qsize() or executor._idle_semaphore._value < len(executor._threads):
                time.sleep(0.0002)
                return False
        return True

    def spin(self) -> None:
        """Run what is ready."""
        for _ in range(20):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def close(self) -> None:
        """Account for a run that has ended, and let nothing stay behind."""
        assert self.task.done()
        if not self.task.cancelled():
            self.task.result()
        assert self.run is not None
        outcomes = [*self.seen, *self.run.leftover]
        assert len(outcomes) == self.run.progress.taken == self.run.progress.done
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    def kill(self) -> None:
        """Let go of a process that is dead: what it still does reaches neither the server nor the file that is kept."""
        for _ in range(3):
            self.task.cancel()
            for waiting in self.waiting:
                waiting.fate.cancel()
            self.settle()
        while not self.task.done():
            self.loop.now += 1.0
            for waiting in self.waiting:
                waiting.fate.cancel()
            self.settle()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


class BulkMachine(RuleBasedStateMachine):
    """Runs, faults, cancellations and crashes in any order.

    The journal's thread makes the order of requests differ a little from time to time. So no rule depends on what there
    is: where there is nothing to do it does nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        warnings.simplefilter("error")
        self.folder = Path(tempfile.mkdtemp())
        self.journal = self.folder / "0.db"
        self.server = Server()
        self.process: Process | None = None
        self.lives = 0
        self.now = 100.0

    @initialize(staleness=STALENESS, skew=st.sampled_from([0.0, -3600.0, 3600.0]))
    def begin(self, staleness: float, skew: float) -> None:
        """Choose how far find is behind, and the server's clock off."""
        self.server.staleness, self.server.skew = staleness, skew

    @rule()
    def start(self) -> None:
        """Start a run, or go on with one, if none is on."""
        if self.process is not None:
            return
        self.process = Process(self.journal, self.server, self.now)
        self.reap()

    @rule(which=st.integers(0, 10), count=st.integers(1, 4))
    def answer(self, which: int, count: int) -> None:
        """Answer some requests truthfully."""
        for _ in range(count):
            self.let(which, "ok")

    @rule(which=st.integers(0, 10), how=st.sampled_from(LOST), done=st.booleans())
    def lose(self, which: int, how: str, *, done: bool) -> None:
        """Lose an answer, after the request was carried out or before."""
        self.let(which, how, done=done)

    @rule(which=st.integers(0, 10), how=st.sampled_from(["refused", "unreachable", "conflict"]))
    def refuse(self, which: int, how: str) -> None:
        """Refuse a request, or let it not arrive at all; a conflict only where there is one."""
        self.let(which, how)

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, 3.0]))
    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        process = self.process
        if process is None:
            return
        self.now = process.loop.now = process.loop.now + seconds
        process.settle()
        self.reap()

    @rule(times=st.integers(1, 3), fates=st.integers(0, 255))
    def cancel(self, times: int, fates: int) -> None:
        """Cancel the consumer; of what is then given up, some is carried out all the same, at once."""
        process = self.process
        if process is None:
            return
        before = process.waiting
        for _ in range(times):
            process.task.cancel()
            process.settle()
        self.decide([waiting for waiting in before if waiting.fate.cancelled()], fates)
        self.reap()

    @rule(fates=st.integers(0, 255), hasty=st.booleans())
    def crash(self, fates: int, *, hasty: bool) -> None:
        """Kill the process: what its file holds at this moment is all there is."""
        process = self.process
        if process is None:
            return
        if hasty:
            # While the thread may be about to write.
            process.loop.now += 0.3
            process.spin()
        self.lives += 1
        kept = self.folder / f"{self.lives}.db"
        for suffix in ("", "-wal"):
            source = self.journal.with_name(self.journal.name + suffix)
            if source.exists():
                shutil.copyfile(source, kept.with_name(kept.name + suffix))
        self.decide(process.waiting, fates)
        self.now = process.loop.now
        process.kill()
        self.process, self.journal = None, kept

    @invariant()
    def nothing_twice(self) -> None:
        """No item is there twice."""
        references = [sr["external_id"] for sr in self.server.made]
        assert len(set(references)) == len(references)

    def teardown(self) -> None:
        """Go on to the end over a server that behaves: then all is created, and the journal knows it."""
        try:
            self.finish()
        finally:
            if self.process is not None:
                self.process.kill()
            shutil.rmtree(self.folder)

    def finish(self) -> None:
        """See `teardown`."""
        if self.process is not None:
            self.complete()
        self.start()
        self.complete()
        self.nothing_twice()
        with JournalReader(self.journal) as journal:
            known = {entry.reference_id: entry.uuid for entry in journal.entries(Status.CREATED)}
        assert known == {sr["external_id"]: sr["uuid"] for sr in self.server.made}
        assert known.keys() == {f"ITEM-{number}" for number in range(ITEMS)}

    def complete(self) -> None:
        """Answer everything until the run ends."""
        for _ in range(400):
            while self.process is not None and self.process.waiting:
                self.let(0, "ok")
            if self.process is None:
                return
            self.pass_time(1.0)
        raise AssertionError("the run doesn't end")

    def let(self, which: int, how: str, *, done: bool = False) -> None:
        """Decide on one of the requests that wait."""
        process = self.process
        if process is None or not process.waiting:
            return
        chosen = process.waiting[which % len(process.waiting)]
        fate = self.fate_of(chosen.request, how, done=done)
        if isinstance(fate, Response):
            chosen.fate.set_result(fate)
        else:
            chosen.fate.set_exception(fate)
        process.settle()
        self.reap()

    def fate_of(self, request: Request[Any], how: str, *, done: bool) -> Response | Exception:
        """Carry out what is to be carried out, and return the answer."""
        now, call = self.now, (request.method, request.path)
        exists = request.claim is not None and any(
            sr["external_id"] == request.claim.reference_id for sr in self.server.made
        )
        if how == "conflict" and exists:
            return self.server.response(409, {}, now)
        if how == "unreachable":
            return ConnectionFailedError(*call, detail="model")
        if how == "refused":
            return self.server.response(429, {}, now, **{"Retry-After": "1"})
        if request.method == "POST" and (done or how in {"ok", "conflict"}):
            body: tuple[int, object] = (200, {"sr": self.server.carry_out(request, now)})
        else:
            body = self.server.read(request, now)
        return self.lost(how, call) or self.server.response(*body, now)

    def lost(self, how: str, call: tuple[str, str]) -> Response | Exception | None:
        """Return what comes instead of the answer, if it is lost."""
        instead: dict[str, Response | Exception] = {
            "timeout": AttemptTimeoutError(*call),
            "disconnect": TransportError(*call),
            "500": self.server.response(500, {}, self.now),
            "garbage": self.server.response(200, b"<html>", self.now),
        }
        return instead.get(how)

    def decide(self, given_up: list[Waiting], fates: int) -> None:
        """Carry out some of the creates that nobody waits for any more."""
        for number, waiting in enumerate(given_up):
            if waiting.creates and fates >> number & 1:
                self.server.carry_out(waiting.request, self.now)

    def reap(self) -> None:
        """Account for a run that has ended."""
        if self.process is not None and self.process.task.done():
            self.process.close()
            self.process = None


BulkMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],  # threads and files take their time
)
TestBulkMachine = pytest.mark.slow(BulkMachine.TestCase)
