"""The testing kit: fixtures, virtual time, sample data and assertions."""

import asyncio
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from legitmark_async import (
    AttemptTimeoutError,
    Created,
    DeadlineExceededError,
    Legitmark,
    OutcomeUnknownError,
    RetryPolicy,
    webhooks,
)
from legitmark_async.sandbox import Limits, Sandbox, WindowKind
from legitmark_async.sandbox._limits import ResetFormat
from legitmark_async.testing import (
    VirtualClock,
    assert_created_once,
    assert_never_over_limit,
    assert_no_duplicates,
    environment_of,
    make_draft,
    make_drafts,
    make_event,
    make_item,
    make_photo,
    serve_in_thread,
    virtual_time,
)
from legitmark_async.testing._samples import EventType

SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cw=="  # noqa: S105  # of the tests alone


class TestFixtures:
    """The fixtures of the plugin."""

    async def test_client(self, legitmark_sandbox: Sandbox, legitmark_client: Legitmark) -> None:
        """The client is one of the sandbox, and they are open."""
        sr = await legitmark_client.sr.create(make_draft())

        assert legitmark_sandbox.references == {"ITEM-1": [sr.uuid]}

    @pytest.mark.legitmark_sandbox(limits=Limits(partner=3, window=60.0))
    @pytest.mark.legitmark_client(retry=RetryPolicy(attempts=1), concurrency=7)
    @pytest.mark.parametrize("_", [pytest.param(0, marks=pytest.mark.legitmark_client(concurrency=5))])
    async def test_marks(self, legitmark_sandbox: Sandbox, legitmark_client: Legitmark, _: int) -> None:
        """Marks give them options; each has that of the closest mark which names it."""
        assert legitmark_sandbox.limits == Limits(partner=3, window=60.0)
        assert legitmark_client._shared.concurrency in {5, 7}
        assert legitmark_client._options.retry == RetryPolicy(attempts=1)

    async def test_environment(self, legitmark_sandbox: Sandbox, legitmark_environment: dict[str, str]) -> None:
        """Code that takes its client from the environment finds the sandbox."""
        assert legitmark_environment["LEGITMARK_BASE_URL"] == legitmark_sandbox.url
        async with Legitmark.from_env() as client:
            await client.sr.create(make_draft())
        assert_created_once(legitmark_sandbox, ["ITEM-1"])


class TestVirtualTime:
    """Time that passes at once, of client and sandbox alike."""

    @pytest.fixture(autouse=True)
    def _no_time(self) -> object:
        started = time.monotonic()
        yield
        # The virtual waits are minutes and hours; a loaded machine may stand still for a while.
        assert time.monotonic() - started < 20

    async def test_refusal(
        self, legitmark_clock: VirtualClock, legitmark_sandbox: Sandbox, legitmark_client: Legitmark
    ) -> None:
        """A minute that a 429 asks for is waited for, and has passed at once."""
        legitmark_sandbox.will_answer(429, retry_after=60)

        await legitmark_client.sr.create(make_draft())

        assert 60 <= legitmark_clock.passed < 62
        assert [seen.status for seen in legitmark_sandbox.requests_seen] == [429, 200]

    @pytest.mark.parametrize("reset_format", ["epoch", "iso", "delta"])
    @pytest.mark.parametrize("kind", ["fixed", "sliding", "bucket"])
    async def test_run(
        self, legitmark_clock: VirtualClock, legitmark_sandbox: Sandbox, kind: WindowKind, reset_format: ResetFormat
    ) -> None:
        """A run of five minutes goes as it would, and takes them on the clock alone."""
        legitmark_sandbox.set_limits(Limits(partner=50, window=60.0, kind=kind, reset_format=reset_format))
        drafts = make_drafts(300)

        async with (
            Legitmark(legitmark_sandbox.api_key, base_url=legitmark_sandbox.url) as client,
            client.sr.create_many(drafts) as run,
        ):
            assert [type(outcome) async for outcome in run] == [Created] * 300

        assert 299 < legitmark_clock.passed < 400
        assert_created_once(legitmark_sandbox, drafts)
        assert_never_over_limit(legitmark_sandbox, refusals=150)

    @pytest.mark.legitmark_sandbox(faults={"stall-before": 1.0}, stall=600.0)
    @pytest.mark.legitmark_client(retry=RetryPolicy(attempts=2), on_ambiguous="raise")
    async def test_timeout(self, legitmark_clock: VirtualClock, legitmark_client: Legitmark) -> None:
        """Timeouts strike on it: 30 s without a byte."""
        with pytest.raises(OutcomeUnknownError) as raised:
            await legitmark_client.sr.create(make_draft())

        assert isinstance(raised.value.__cause__, AttemptTimeoutError)
        assert 30 <= legitmark_clock.passed < 31

    @pytest.mark.legitmark_sandbox(faults={"stall-before": 1.0}, stall=600.0)
    async def test_deadline(self, legitmark_clock: VirtualClock, legitmark_client: Legitmark) -> None:
        """And so does a deadline."""
        with pytest.raises(OutcomeUnknownError) as raised:
            await legitmark_client.with_options(deadline=20).sr.create(make_draft())

        assert isinstance(raised.value.__cause__, DeadlineExceededError)
        assert 20 <= legitmark_clock.passed < 21

    async def test_own_sleeps(self, legitmark_clock: VirtualClock) -> None:
        """The test's own sleeps pass too, in their order; what runs in a thread takes none of it."""
        order: list[str] = []

        async def note(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            order.append(name)

        await asyncio.gather(note("hour", 3600.0), note("minute", 60.0), asyncio.to_thread(time.sleep, 0.05))

        assert order == ["minute", "hour"]
        assert legitmark_clock.passed == pytest.approx(3600.0, abs=1.0)

    async def test_advance(self, legitmark_clock: VirtualClock) -> None:
        """Time that a computation takes passes without a turn of the event loop, and can't be taken back."""
        async with asyncio.timeout(30) as timeout:
            legitmark_clock.advance(29)
            await asyncio.sleep(0)
            assert not timeout.expired()
        legitmark_clock.advance(1)

        assert legitmark_clock.passed == 30
        with pytest.raises(ValueError, match="time can't go back: -1 s"):
            legitmark_clock.advance(-1)

    @pytest.mark.real_time
    async def test_block(self) -> None:
        """It can be had for a block alone; then time passes as always."""
        loop = asyncio.get_running_loop()
        with virtual_time() as clock:
            await asyncio.sleep(1000.0)
        assert 1000.0 <= clock.passed < 1001.0
        assert abs(loop.time() - time.monotonic()) < 5

    async def test_states(self, legitmark_clock: VirtualClock) -> None:
        """The sandbox's own clock, which moves states on, goes with it."""
        async with (
            Sandbox(state_pace=100.0) as sandbox,
            Legitmark(sandbox.api_key, base_url=sandbox.url, asset_url=sandbox.asset_url) as client,
        ):
            sr = await client.sr.create(make_draft())
            needed = [side.uuid for side in (await client.sr.requirements(sr.uuid)).sides]
            async with client.images.upload_many(sr.uuid, {side: make_photo() for side in needed}) as run:
                assert all([outcome async for outcome in run])
            await client.sr.submit(sr.uuid)
            final = await client.sr.wait_until(sr.uuid, lambda sr: sr.is_final, timeout=3600.0)

        assert final.is_authentic
        assert legitmark_clock.passed > 100.0


def test_no_loop_of_asyncio() -> None:
    """Virtual time needs an event loop."""
    with pytest.raises(RuntimeError, match="no running event loop"), virtual_time():
        pass


def test_loop_of_others() -> None:
    """Time stands still in an event loop of asyncio's own alone."""
    asyncio._set_running_loop(asyncio.AbstractEventLoop())  # type: ignore[abstract]  # none of it is called
    try:
        with pytest.raises(RuntimeError, match=r"an event loop of asyncio's own, not asyncio\.events"), virtual_time():
            pass
    finally:
        asyncio._set_running_loop(None)


class TestThread:
    """A sandbox in a thread."""

    def test_served(self) -> None:
        """Code that runs event loops of its own, one after the other, finds it."""

        async def create(number: int) -> None:
            async with Legitmark(sandbox.api_key, base_url=sandbox.url) as client:
                await client.sr.create(make_draft(f"ITEM-{number}"))

        with serve_in_thread() as sandbox:
            for number in range(3):
                asyncio.run(create(number))
            environment = environment_of(sandbox)

        assert sorted(sandbox.references) == ["ITEM-0", "ITEM-1", "ITEM-2"]
        assert environment["LEGITMARK_API_KEY"] == sandbox.api_key

    def test_port_taken(self) -> None:
        """A sandbox that can't be opened says so where it was asked for."""
        with serve_in_thread() as sandbox:
            port = int(sandbox.url.rpartition(":")[2])
            with pytest.raises(OSError, match=str(port)), serve_in_thread(Sandbox(port=port)):
                pass

    def test_closed_after_a_failure(self) -> None:
        """It is closed when the block fails."""
        with pytest.raises(ZeroDivisionError), serve_in_thread() as sandbox:
            raise ZeroDivisionError

        async def ask() -> None:
            async with aiohttp.ClientSession() as session:
                await session.get(sandbox.url)

        with pytest.raises(aiohttp.ClientConnectorError):
            asyncio.run(ask())


class TestSamples:
    """Sample data."""

    def test_drafts(self) -> None:
        """Drafts have references of their own, and an item that may be another one."""
        hat = make_item(type="hat")

        assert make_draft("A", item=hat).item.type == "hat"
        assert [draft.reference_id for draft in make_drafts(2, prefix="B-")] == ["B-1", "B-2"]

    @pytest.mark.parametrize("kind", ["jpeg", "png"])
    @pytest.mark.parametrize(("width", "height"), [(600, 600), (1201, 907), (4000, 3000)])
    def test_photo(self, kind: str, width: int, height: int) -> None:
        """A photo is one that another reader decodes, all gray, and small."""
        photo = make_photo(width, height, kind="png" if kind == "png" else "jpeg")

        with Image.open(io.BytesIO(photo)) as image:
            image.load()
            assert (image.size, image.format) == ((width, height), kind.upper())
            assert image.getextrema() == (128, 128)
        assert len(photo) < 50_000

    def test_size(self) -> None:
        """A photo may be made as large as the API allows."""
        assert len(make_photo(size=5_000_000)) == 5_000_000

    async def test_photo_is_taken(self, legitmark_sandbox: Sandbox, legitmark_client: Legitmark) -> None:
        """The client and the sandbox take it."""
        sr = await legitmark_client.sr.create(make_draft())
        (side, *_) = (await legitmark_client.sr.requirements(sr.uuid)).sides
        await legitmark_client.images.upload(sr.uuid, side.uuid or "", make_photo())

        assert legitmark_sandbox.ledger.photos == 1

    @pytest.mark.parametrize(
        ("event_type", "cls"),
        [
            ("state_change", webhooks.StateChange),
            ("media_rejected", webhooks.MediaRejected),
            ("invalidate_sr", webhooks.InvalidateServiceRequest),
        ],
    )
    def test_event(self, event_type: EventType, cls: type) -> None:
        """An event can be signed, verified and read."""
        body = json.dumps(make_event(event_type, reference_id="ITEM-9")).encode()
        headers = webhooks.sign(body, SECRET, message_id="msg_1")

        assert webhooks.verify(body, headers, SECRET) == "msg_1"
        event = webhooks.parse(body)
        assert isinstance(event, cls)
        assert getattr(event, "reference_id", None) == "ITEM-9"

    def test_state(self) -> None:
        """A change of state can be to any."""
        event = webhooks.parse(json.dumps(make_event(state=("QC", "REJECTED"))).encode())

        assert isinstance(event, webhooks.StateChange)
        assert event.needs_resubmission


class TestAssertions:
    """Assertions on a sandbox."""

    async def test_duplicates(self, legitmark_sandbox: Sandbox, legitmark_client: Legitmark) -> None:
        """A reference that was created twice is named."""
        await legitmark_client.sr.create(make_draft())
        assert_no_duplicates(legitmark_sandbox)

        await legitmark_client.sr.create(make_draft())

        with pytest.raises(AssertionError, match="created more than once: ITEM-1 2 times"):
            assert_no_duplicates(legitmark_sandbox)
        with pytest.raises(AssertionError, match=r"created, but too often or unasked: ITEM-1$"):
            assert_created_once(legitmark_sandbox, [make_draft()])

    async def test_created_once(self, legitmark_sandbox: Sandbox, legitmark_client: Legitmark) -> None:
        """What is missing, and what nobody asked for, is named; of many, some."""
        for number in range(7):
            await legitmark_client.sr.create(make_draft(f"B-{number}"))

        with pytest.raises(
            AssertionError, match=r"^not created: ITEM-1; .* unasked: B-0, B-1, B-2, B-3, B-4 and 2 more$"
        ):
            assert_created_once(legitmark_sandbox, make_drafts(1))

    @pytest.mark.legitmark_sandbox(limits=Limits(partner=2, window=0.2))
    async def test_over_limit(self, legitmark_sandbox: Sandbox, legitmark_client: Legitmark) -> None:
        """A refusal is one request too many, unless it is allowed for."""
        for draft in make_drafts(3):
            await legitmark_client.sr.create(draft)

        assert_never_over_limit(legitmark_sandbox, refusals=1)
        with pytest.raises(AssertionError, match="1 of 4 requests were over the limit, and refused; 0 are allowed for"):
            assert_never_over_limit(legitmark_sandbox)


_MODULE = """
import pytest
from legitmark_async.testing import make_draft

{mark}
async def test_refusal(legitmark_clock, legitmark_sandbox, legitmark_client):
    legitmark_sandbox.will_answer(429, retry_after=60)
    await legitmark_client.sr.create(make_draft())
    assert legitmark_clock.passed >= 60
"""


def _pytest(folder: Path, module: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run tests of somebody else's, with a configuration of their own: else pytest may find ours above the folder."""
    (folder / "pytest.ini").write_text("[pytest]", encoding="utf-8")
    (folder / "test_it.py").write_text(module, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "test_it.py"]
    around = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(  # noqa: S603  # pytest
        command, cwd=folder, env=around, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    "options",
    [(), ("-p", "no:looptime_plugin"), ("-W", "error", "-p", "no:looptime_plugin")],
    ids=["all", "no-looptime", "warnings"],
)
def test_of_others(tmp_path: Path, options: tuple[str, ...]) -> None:
    """A project that has installed the kit has the fixtures, in pytest-asyncio's strict mode too."""
    module = _MODULE.format(mark="@pytest.mark.asyncio") + "\ndef test_without_a_loop():\n    pass\n"
    done = _pytest(tmp_path, module, "-o", "asyncio_default_fixture_loop_scope=function", *options)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    ("path", "fails", "words"),
    [
        ("POST /api/v2/sr", "", "1 passed"),
        ("POST /api/v2/srs", "", "no request came that the sandbox was to answer: POST /api/v2/srs"),
        ("POST /api/v2/srs", "assert False", "1 failed in"),
    ],
    ids=["matched", "mistyped", "failed anyway"],
)
def test_unmatched(tmp_path: Path, path: str, fails: str, words: str) -> None:
    """A test whose scripted answers nobody came for fails: it has tried nothing. One that has failed says no more."""
    module = _MODULE.format(mark="@pytest.mark.asyncio").replace("retry_after=60", f"retry_after=60, on='{path}'")
    module = module.replace("assert legitmark_clock.passed >= 60", fails)
    done = _pytest(tmp_path, module, "-o", "asyncio_default_fixture_loop_scope=function")

    assert words in done.stdout, done.stdout + done.stderr


def test_no_asyncio_plugin(tmp_path: Path) -> None:
    """Where pytest-asyncio is missing, the fixtures say what to install."""
    (tmp_path / "pytest_asyncio.py").write_text("raise ModuleNotFoundError(__name__)", encoding="utf-8")
    module = "def test_it(legitmark_client):\n    pass\n"
    done = _pytest(tmp_path, module, "-p", "no:asyncio", "-p", "no:looptime_plugin")

    assert done.returncode == 1
    assert "pytest-asyncio is missing: python -m pip install 'legitmark-async[testing]'" in done.stdout


def test_not_imported(tmp_path: Path) -> None:
    """Tests that don't use the kit don't pay for it: the package is not imported."""
    module = "import sys\n\ndef test_it():\n    assert 'legitmark_async' not in sys.modules\n"
    done = _pytest(tmp_path, module)

    assert done.returncode == 0, done.stdout + done.stderr
