"""The stores that keep what processes share: a file, and a real Redis."""

import asyncio
import pickle
import sys
from pathlib import Path

import pytest
from local_servers import RedisServer

from legitmark_async import ConfigurationError, Legitmark
from legitmark_async.limits import LimitStore, RedisLimits, SqliteLimits, Stored


@pytest.fixture(params=["file", "redis"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[LimitStore, LimitStore]:
    """Make two stores of two processes."""
    if request.param == "file":
        return SqliteLimits(tmp_path / "limits.db"), SqliteLimits(tmp_path / "limits.db")
    url = request.getfixturevalue("redis").url
    return RedisLimits(url), RedisLimits(url)


class TestStore:
    """What each of them has to do."""

    async def test_keeps(self, stores: tuple[LimitStore, LimitStore]) -> None:
        """What one has stored the other loads, with the time; each key is for itself."""
        ours, theirs = stores
        nothing = await ours.load("a")
        assert await ours.save("a", "text", 0, alarm=False)
        stored = await theirs.load("a")

        assert (nothing.document, nothing.version) == (None, 0)
        assert (stored.document, stored.version) == ("text", 1)
        assert nothing.now <= stored.now < nothing.now + 5
        assert (await theirs.load("b")).version == 0
        await asyncio.gather(ours.aclose(), theirs.aclose())

    async def test_first_come(self, stores: tuple[LimitStore, LimitStore]) -> None:
        """Of two changes to the same version one is stored."""
        for version in range(3):
            saved = await asyncio.gather(
                *(store.save("a", f"{number}", version, alarm=False) for number, store in enumerate(stores))
            )
            assert sorted(saved) == [False, True]
            assert (await stores[0].load("a")).document == str(saved.index(True))
        await asyncio.gather(*(store.aclose() for store in stores))

    async def test_alarm(self, stores: tuple[LimitStore, LimitStore]) -> None:
        """Who listens hears of changes with an alarm, and of no others."""
        ours, theirs = stores
        listening = asyncio.create_task(theirs.alarm("a"))
        await asyncio.sleep(0.2)
        await ours.save("a", "1", 0, alarm=False)
        await asyncio.sleep(0.2)
        assert not listening.done()
        await ours.save("a", "2", 1, alarm=True)

        assert await asyncio.wait_for(listening, 5) == 2
        await asyncio.gather(ours.aclose(), theirs.aclose())

    async def test_listener_leaves(self, stores: tuple[LimitStore, LimitStore]) -> None:
        """Who no longer listens, or closes while it does, disturbs nobody, and may listen again."""
        ours, theirs = stores
        for _ in range(2):
            listening = asyncio.create_task(theirs.alarm("a"))
            await asyncio.sleep(0.1)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await theirs.aclose()
        assert await ours.save("a", "1", 0, alarm=True)
        assert (await theirs.load("a")).version == 1
        await asyncio.gather(ours.aclose(), theirs.aclose())

    def test_loops(self, stores: tuple[LimitStore, LimitStore]) -> None:
        """It serves one event loop after the other."""

        async def use(version: int) -> Stored:
            assert await stores[0].save("a", "text", version, alarm=True)
            stored = await stores[0].load("a")
            await stores[0].aclose()
            return stored

        assert [asyncio.run(use(version)).version for version in range(3)] == [1, 2, 3]


class TestRedis:
    """What is special to Redis."""

    async def test_gone(self, redis: RedisServer) -> None:
        """Without the server an error comes at once; when it is back, so is the store."""
        store = RedisLimits(redis.url)
        await store.save("a", "text", 0, alarm=False)
        listening = asyncio.create_task(store.alarm("a"))
        await asyncio.sleep(0.1)
        redis.stop()
        with pytest.raises(Exception, match=r"."):
            await asyncio.wait_for(store.load("a"), 5)
        with pytest.raises(Exception, match=r"."):
            await asyncio.wait_for(listening, 5)
        redis.start()

        assert (await store.load("a")).version == 0
        await store.aclose()

    async def test_expires(self, redis: RedisServer) -> None:
        """What nobody uses any more is not kept for ever; the key's name is as it is documented."""
        store = RedisLimits(redis.url, prefix="mine")
        await store.save("a", "text", 0, alarm=False)
        async with store._connections.redis() as connected:
            seconds = await connected.ttl("mine:{a}:limits")

        assert 29 * 86_400 < seconds <= 30 * 86_400
        await store.aclose()

    @pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", ""])
    def test_url(self, url: str) -> None:
        """A URL of something else is refused, and not repeated, as it may hold a password."""
        with pytest.raises(ConfigurationError, match=r"must begin with one of redis://, rediss://, unix://") as raised:
            RedisLimits(url)

        assert raised.value.problems == ("url",)

    def test_secret(self) -> None:
        """The password shows in no repr."""
        store = RedisLimits("redis://:s3cret@localhost:6379/0")

        assert "s3cret" not in repr(store)


class TestSqlite:
    """What is special to files."""

    async def test_no_folder(self, tmp_path: Path) -> None:
        """A file that can't be made is an error that says so, each time."""
        store = SqliteLimits(tmp_path / "missing" / "limits.db")
        for _ in range(2):
            with pytest.raises(Exception, match="unable to open database file"):
                await store.load("a")
        await store.aclose()

    async def test_no_database(self, tmp_path: Path) -> None:
        """A file of something else is left alone."""
        path = tmp_path / "notes.txt"
        path.write_bytes(b"not a database, but long enough to be looked at as if it were one" * 20)
        with pytest.raises(Exception, match="not a database"):
            await SqliteLimits(path).load("a")

        assert path.read_bytes().startswith(b"not a database")


@pytest.mark.parametrize("limits", ["redis://localhost", RedisLimits, 3])
def test_no_store(limits: object) -> None:
    """What is no store is refused when the client is made."""
    with pytest.raises(ConfigurationError, match=r"limits must be a store such as RedisLimits\(url\)") as raised:
        Legitmark("leo_0123456789abcdef", limits=limits)  # type: ignore[arg-type]  # that is the point

    assert raised.value.problems == ("limits",)


def test_no_redis_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library for Redis the error tells what to install."""
    monkeypatch.setitem(sys.modules, "redis", None)

    with pytest.raises(ConfigurationError, match=r"RedisLimits needs redis: .* 'legitmark-async\[redis\]'"):
        RedisLimits("redis://localhost")


def test_stored_pickles() -> None:
    """What was loaded is a value."""
    stored = Stored("text", 3, 1.0)

    assert pickle.loads(pickle.dumps(stored)) == stored  # noqa: S301  # our own bytes
