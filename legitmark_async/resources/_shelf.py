"""What is kept of the taxonomy, in memory and, by choice, in a file."""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from attrs import define, field

# Contract, section 7.7: a day is what the guides suggest.
KEPT = 24 * 3600.0
_VERSION = 1


class Raw(Protocol):
    """A row that knows the JSON object it was read from."""

    @property
    def raw(self) -> Mapping[str, Any]:
        """The JSON object."""
        ...


R = TypeVar("R", bound=Raw)
_Rows = tuple[Any, ...]


@define(eq=False)
class Shelf:
    """Keeps rows for a day; tasks that want the same ones at once make one call.

    Attributes:
        path: A file that keeps them beyond the process, or None. One that can't be read or written is done without.
        now: Epoch seconds; a file outlives every other clock.
    """

    path: Path | None = None
    now: Callable[[], float] = time.time
    _rows: dict[str, tuple[float, _Rows]] = field(factory=dict[str, tuple[float, _Rows]], init=False)
    _stored: dict[str, tuple[float, list[Any]]] | None = field(default=None, init=False)
    _locks: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]]" = field(
        factory=WeakKeyDictionary, init=False
    )

    async def get(
        self,
        key: str,
        ask: Callable[[], Awaitable[tuple[R, ...]]],
        read: Callable[[list[Any]], tuple[R, ...]],
        *,
        fresh: bool = False,
    ) -> tuple[R, ...]:
        """Return the rows that are kept under a key, or else what `ask` gives.

        Args:
            key: What they are.
            ask: Gets them from the API.
            read: Reads them from the JSON objects of a file.
            fresh: Ask in any case.
        """
        if not fresh and (kept := self._find(key)) is not None:
            return kept
        began = self.now()
        locks = self._locks.setdefault(asyncio.get_running_loop(), {})
        async with locks.setdefault(key, asyncio.Lock()):
            await self._take_stored(key, read)
            kept = self._find(key)
            # What came while we waited in line is as fresh as what we would get.
            if kept is not None and (not fresh or self._rows[key][0] >= began):
                return kept
            rows = await ask()
            self._rows[key] = (self.now(), rows)
            await self._save()
            return rows

    def _find(self, key: str) -> _Rows | None:
        asked_at, rows = self._rows.get(key, (0.0, ()))
        return rows if self._is_good(asked_at) else None

    def _is_good(self, asked_at: float) -> bool:
        # A clock that was set back must not keep anything for ever.
        return 0 <= self.now() - asked_at < KEPT

    async def _take_stored(self, key: str, read: Callable[[list[Any]], _Rows]) -> None:
        if self.path is None:
            return
        if self._stored is None:
            self._stored = await asyncio.to_thread(_read, self.path)
        asked_at, rows = self._stored.pop(key, (0.0, []))
        if key not in self._rows and self._is_good(asked_at):
            with suppress(ValueError):
                self._rows[key] = (asked_at, read(rows))

    async def _save(self) -> None:
        if self.path is None:
            return
        told = {key: (asked_at, [row.raw for row in rows]) for key, (asked_at, rows) in self._rows.items()}
        kept = {key: entry for key, entry in {**(self._stored or {}), **told}.items() if self._is_good(entry[0])}
        await asyncio.to_thread(_write, self.path, json.dumps({"version": _VERSION, "kept": kept}))


def _read(path: Path) -> dict[str, tuple[float, list[Any]]]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["version"] != _VERSION:
            return {}
        return {key: (float(asked_at), list(rows)) for key, (asked_at, rows) in told["kept"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _write(path: Path, text: str) -> None:
    # Beside it first: whoever reads meanwhile has the old one, whole.
    with suppress(OSError):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
