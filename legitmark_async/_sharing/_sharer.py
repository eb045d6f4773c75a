"""Carries reports to the group and permits back, as long as the client is open."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

from attrs import define, field

from legitmark_async._pacer import Lane, Limits, Pacer
from legitmark_async._sharing._codec import Codec
from legitmark_async._sharing._group import Group
from legitmark_async._sharing._plan import Kind
from legitmark_async._sharing._share import Share
from legitmark_async._sharing._store import LimitStore, Stored
from legitmark_async._sharing._switch import Switch
from legitmark_async.options import Clock, Random

# Whoever got nothing comes again after this share of the usual interval; with news nobody comes sooner than that (s).
_WAITING, _AT_ONCE = 0.15, 0.002
# A store that doesn't answer for so long (s), or fails for so long, is gone; so long after that it is asked again.
_PATIENCE, _GRACE, _AGAIN = 0.5, 1.0, 1.0
# Whoever had nothing to do for so long (s) leaves.
_IDLE = 2.0
# A change is tried to store so many times if others come before, after up to so long a pause (s).
_TRIES, _ASIDE = 50, 0.005
# The clocks are compared anew by a quicker answer, or after so long (s).
_DRIFT = 10.0

_log = logging.getLogger("legitmark_async")


def _unique() -> str:
    return uuid4().hex


@define(eq=False)
class Sharer:
    """One process's way to the others that share its key.

    Attributes:
        store: Where they meet.
        key: Under which name.
        switch: What the pacer goes by.
        pacer: Whose calls wait.
        clock: Monotonic seconds.
        random: Gives a number from 0 to 1.
        name: Gives names that no other process has.
    """

    store: LimitStore
    key: str
    switch: Switch
    pacer: Pacer
    clock: Clock
    random: Random
    name: Callable[[], str] = _unique
    _codec: Codec = field(init=False)
    _share: Share = field(init=False)
    _woken: asyncio.Event = field(factory=asyncio.Event, init=False)
    _tasks: list[asyncio.Task[None]] = field(factory=list[asyncio.Task[None]], init=False)
    _version: int = field(default=0, init=False)  # the last that it has seen
    _met_at: float | None = field(default=None, init=False)  # None: it is no member
    _failed_since: float | None = field(default=None, init=False)
    _compared: tuple[float, float] | None = field(default=None, init=False)  # how quickly, and when

    def __attrs_post_init__(self) -> None:
        self._codec = Codec(self.random)
        self._share = self._new_share(Group(Limits(self.random)))
        self.switch.current = self._share

    def start(self) -> None:
        """Begin, in the running event loop."""
        # An event belongs to the loop in which it is waited for first, and what was held in another one is gone.
        self._woken = asyncio.Event()
        self._share = self.switch.current = self._new_share(self._share.group)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run()), loop.create_task(self._listen())]

    async def aclose(self) -> None:
        """Tell the others that this process has no more work, if they can be reached."""
        if not self._tasks:
            return
        pending = set(self._tasks)
        while pending:
            # A store may miss that it was cancelled.
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=_PATIENCE)
        self._tasks = []
        if self._met_at is not None:
            with suppress(Exception):
                await self._meet(self._share, leaves=True)
        self._met_at = self._failed_since = self._compared = None

    async def _run(self) -> None:
        while True:
            await self._pause()
            self._woken.clear()
            try:
                await self._meet(self._share, leaves=self._idle)
            except Exception as error:  # noqa: BLE001  # whatever a store raises, the calls go on
                self._fail(error)
            else:
                self._succeed()
            self.pacer.serve()

    async def _listen(self) -> None:
        while True:
            if self._met_at is None:
                # Nobody is waited for.
                await asyncio.sleep(_IDLE / 100)
                continue
            try:
                version = await self.store.alarm(self.key)
            except Exception:  # noqa: BLE001  # whatever a store raises: the other task will tell
                await asyncio.sleep(_AGAIN)
            else:
                if version > self._version:
                    self._share.halted = True
                    self._woken.set()

    @property
    def _alone(self) -> bool:
        return self.switch.current is not self._share

    @property
    def _idle(self) -> bool:
        return self._share.idle and not self.pacer.waiting and self.clock() - self.switch.used_at > _IDLE

    async def _pause(self) -> None:
        seconds = self._seconds()
        if self._met_at is not None and (gap := self._met_at + _AT_ONCE - self.clock()) > 0:
            await asyncio.sleep(gap)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    def _seconds(self) -> float | None:
        if self._failed_since is not None:
            return _AGAIN if self._alone else _AGAIN / 10
        if self._met_at is None:
            return None
        group = self._share.group
        if self._share.starved:
            soon = group.next_at - self.switch.offset - self.clock()
            return min(max(soon, _WAITING * group.interval), group.interval)
        return group.interval

    async def _meet(self, share: Share, *, leaves: bool) -> None:
        now = self.clock() + self.switch.offset
        report = share.report(now, self._waiting(), self.pacer.gate.in_flight, leaves=leaves)
        async with asyncio.timeout(_PATIENCE):
            for _ in range(_TRIES):
                stored = await self._load()
                group = self._read(stored)
                meeting = group.meet(report, stored.now, self._codec.copy)
                if not meeting.changed or await self._save(group, stored.version, alarm=meeting.alarming):
                    break
                await asyncio.sleep(_ASIDE * self.random())
            else:
                raise TimeoutError(f"others came first, {_TRIES} times")
        share.meet(group, report, meeting.permits)
        self._met_at = None if leaves else self.clock()

    async def _load(self) -> Stored:
        before = self.clock()
        stored = await self.store.load(self.key)
        after = self.clock()
        took = after - before
        if self._compared is None or took <= self._compared[0] or after - self._compared[1] > _DRIFT:
            self._compared = took, after
            self.switch.offset = stored.now - (before + after) / 2
        return stored

    async def _save(self, group: Group, version: int, *, alarm: bool) -> bool:
        saved = await self.store.save(self.key, self._codec.encode(group), version, alarm=alarm)
        if saved:
            self._version = version + 1
        return saved

    def _read(self, stored: Stored) -> Group:
        group = None if stored.document is None else self._codec.decode(stored.document)
        if group is None:
            # Lost, or never there: whoever comes first writes what it knows.
            known = self._share.group
            group = Group(self._codec.copy(known.limits), revoked=known.revoked, numbered=known.numbered)
        return group

    def _waiting(self) -> dict[Kind, float]:
        counts, coming = self.pacer.demand()
        waiting = {kind: float(count) for kind, count in counts.items()}
        if coming:
            kind = Lane.BULK, self.switch.bulk_endpoint
            waiting[kind] = waiting.get(kind, 0.0) + coming
        return waiting

    def _succeed(self) -> None:
        self._failed_since = None
        if self._alone:
            self.switch.current = self._share
            _log.info("rate limits are shared again")

    def _fail(self, error: Exception) -> None:
        now = self.clock()
        self._failed_since = self._failed_since or now
        if self._alone or (self._met_at is not None and now - self._met_at < _GRACE):
            return
        _log.warning(
            "rate limits can't be shared for now, each process goes by its own: %s", str(error) or type(error).__name__
        )
        known = self._share.group
        alone = self._codec.copy(known.limits)
        alone.part(known.sharers, now + self.switch.offset, self.pacer.gate.sent)
        self.switch.current, self._met_at = alone, None
        # A name of its own, as it isn't known what became of the last report.
        self._share = self._new_share(known)

    def _wake(self) -> None:
        self._woken.set()

    def _new_share(self, group: Group) -> Share:
        return Share(self.name(), group, self._wake)
