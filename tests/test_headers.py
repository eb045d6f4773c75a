"""What the headers and the body of an answer tell of limits and waits."""

import json
import math
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from legitmark_async._endpoints import decode_envelope
from legitmark_async._headers import (
    LONGEST_WAIT,
    parse_count,
    parse_hold,
    parse_limits,
    parse_retry_after,
    parse_wait,
    reached_limit,
    server_time,
)
from legitmark_async.models import ErrorEnvelope, Limit, LimitType

DATA = Path(__file__).parent / "data"
# The instant of an answer, as the server's clock has it: 2024-01-01T00:00:00Z.
NOW = 1_704_067_200.0
DATE = "Mon, 01 Jan 2024 00:00:00 GMT"
SKEWS = [
    pytest.param(0.0, id="right"),
    pytest.param(3600.0, id="an hour fast"),
    pytest.param(-3600.0, id="an hour slow"),
    pytest.param(10 * 365 * 86_400.0, id="ten years fast"),
    pytest.param(-NOW, id="at the epoch"),
]


def envelope(**error: Any) -> ErrorEnvelope:  # noqa: ANN401  # JSON is anything
    """What a body with these fields in its error object is read as."""
    return decode_envelope(json.dumps({"success": False, "error": error}).encode())


def hold(headers: dict[str, str], body: ErrorEnvelope | None = None, *, now: float = NOW) -> float | None:
    """The hold that an answer tells."""
    multi = CIMultiDict(headers)
    body = body or ErrorEnvelope()
    return parse_hold(multi, body, parse_limits(multi, now, body), now)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        pytest.param("1000", 1000, id="plain"),
        pytest.param("0", 0, id="zero"),
        pytest.param(" 7 ", 7, id="spaces around"),
        pytest.param("7\x1d", 7, id="a separator that float does not strip"),
        pytest.param("1000.0", 1000, id="written as a float"),
        pytest.param("1000000000", 10**9, id="the largest"),
        pytest.param("1000000001", None, id="too large"),
        pytest.param("99999999999999999999", None, id="absurd"),
        pytest.param("-1", None, id="negative"),
        pytest.param("10.5", None, id="a fraction"),
        pytest.param("1e3", None, id="exponent"),
        pytest.param("1_000", None, id="underscore"),
        pytest.param("1000, 60", None, id="two values"),
        pytest.param("1000;w=60", None, id="with a window"),
        pytest.param("\u0661\u0660", None, id="digits of another script"),
        pytest.param("nan", None, id="nan"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="no header"),
    ],
)
def test_count(text: str | None, count: int | None) -> None:
    """A number of requests is read from plain digits, and nothing else passes for one."""
    assert parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        pytest.param("60", 60.0, id="seconds"),
        pytest.param("0", 0.0, id="zero"),
        pytest.param("1.5", 1.5, id="fraction of a second"),
        pytest.param(" 60 ", 60.0, id="spaces around"),
        pytest.param("60\x1d", 60.0, id="a separator that float does not strip"),
        pytest.param("86400", LONGEST_WAIT, id="a day"),
        pytest.param("1704067260", 60.0, id="epoch s"),
        pytest.param("1704067260.25", 60.25, id="epoch s with a fraction"),
        pytest.param("1704067260250", 60.25, id="epoch ms"),
        pytest.param("1704067260250000", 60.25, id="epoch us"),
        pytest.param("1704067260250000000", 60.25, id="epoch ns"),
        pytest.param("2024-01-01T00:01:00Z", 60.0, id="iso z"),
        pytest.param("2024-01-01T00:01:00.000Z", 60.0, id="iso ms as in the seed"),
        pytest.param("2024-01-01T00:01:00.5Z", 60.5, id="iso fraction"),
        pytest.param("2024-01-01T00:01:00", 60.0, id="iso naive is utc"),
        pytest.param("2024-01-01T02:01:00+02:00", 60.0, id="iso offset"),
        pytest.param("2024-01-01 00:01:00", 60.0, id="iso with a space"),
        pytest.param("Mon, 01 Jan 2024 00:01:00 GMT", 60.0, id="http date"),
        pytest.param("Monday, 01-Jan-24 00:01:00 GMT", 60.0, id="http date of rfc 850"),
        pytest.param("Mon Jan  1 00:01:00 2024", 60.0, id="http date of asctime"),
        pytest.param("1704067195", 0.0, id="just passed"),
        pytest.param("1704060000", None, id="two hours ago"),
        pytest.param("Mon, 01 Jan 2018 00:01:00 GMT", None, id="years ago"),
    ],
)
def test_wait(text: str, wait: float | None) -> None:
    """A wait is read in whichever form, and the size of a number tells its unit."""
    read = parse_wait(text, NOW)

    assert read == (None if wait is None else pytest.approx(wait, abs=1e-3))


@pytest.mark.parametrize("zeros", [8, 11, 14, 17], ids=["s", "ms", "us", "ns"])
def test_smallest_epoch(zeros: int) -> None:
    """From the same instant on, in 1973, a number is an epoch in each of the units."""
    assert parse_wait("1" + "0" * zeros, now=1e8 - 10) == 10.0


@pytest.mark.parametrize(("ago", "wait"), [pytest.param(59.9, 0.0, id="just"), pytest.param(60.0, None, id="a minute")])
def test_passed(ago: float, wait: float | None) -> None:
    """A reset that has just passed means now, and one of a minute ago means nothing."""
    assert parse_wait("1704067200", NOW + ago) == wait


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="no header"),
        pytest.param("", id="empty"),
        pytest.param("soon", id="word"),
        pytest.param("60s", id="unit"),
        pytest.param("60, 60", id="joined twice"),
        pytest.param("-60", id="negative"),
        pytest.param("+60", id="plus"),
        pytest.param("nan", id="nan"),
        pytest.param("inf", id="inf"),
        pytest.param("1e3", id="exponent"),
        pytest.param("0x3c", id="hex"),
        pytest.param("\u0666\u0660", id="digits of another script"),
        pytest.param("\u00b2", id="a digit that is no number"),
        pytest.param("86401", id="longer than a day"),
        pytest.param("99999999", id="years in seconds"),
        pytest.param("9" * 20, id="twenty digits"),
        pytest.param("9" * 5000, id="five thousand digits"),
        pytest.param("9999-12-31T23:59:59Z", id="end of time"),
        pytest.param("0001-01-01T00:00:00+23:59", id="before time"),
        pytest.param("2024-13-01T00:00:00Z", id="month 13"),
        pytest.param("Mon, 99 Jan 2024 00:01:00 GMT", id="day 99"),
        pytest.param("Mon, 01 Jan 99999 00:01:00 GMT", id="year 99999"),
    ],
)
def test_no_wait(text: str | None) -> None:
    """What can't be a time is no wait, never an exception and never a sleep of years."""
    assert parse_wait(text, NOW) is None


_FRAGMENTS = st.lists(
    st.sampled_from(
        ["Mon", ",", " ", "01", "Jan", "2024", "00", ":", "-", "+", ".", "GMT", "T", "Z", "9" * 9, "\x00", "W"]
    ),
    max_size=14,
).map("".join)


@given(text=st.text() | _FRAGMENTS | st.floats().map(str) | st.integers().map(str))
@example(text="0 : :")
@example(text="Mon, 01 Jan 2024 00:01:00 +99999999")
def test_any_text(text: str) -> None:
    """Whatever a header holds, a wait is None or between now and a day, and a count is None or plausible."""
    wait, count = parse_wait(text, NOW), parse_count(text)

    assert wait is None or 0.0 <= wait <= LONGEST_WAIT
    assert count is None or 0 <= count <= 10**9


_NAMES = [
    "Date",
    "Retry-After",
    *(f"X-RateLimit-{what}-{whose}" for what in ("Limit", "Remaining", "Reset") for whose in ("Partner", "User")),
]


@given(
    headers=st.lists(st.tuples(st.sampled_from(_NAMES), st.text() | _FRAGMENTS | st.integers().map(str)), max_size=12),
    body=st.binary() | st.text().map(lambda text: json.dumps({"message": f"retry after {text}"}).encode()),
    now=st.floats(min_value=0, max_value=4e9),
)
def test_any_answer(headers: list[tuple[str, str]], body: bytes, now: float) -> None:
    """Whatever an answer holds, its hold is None or between now and a day."""
    told = hold_of(CIMultiDict(headers), decode_envelope(body), now)

    assert told is None or 0.0 <= told <= LONGEST_WAIT


def hold_of(headers: "CIMultiDict[str]", body: ErrorEnvelope, now: float) -> float | None:
    """The hold that an answer with these headers tells."""
    return parse_hold(headers, body, parse_limits(headers, now, body), now)


@given(
    seconds=st.integers(0, 86_400), form=st.sampled_from(["delta", "epoch", "ms", "us", "ns", "iso", "naive", "http"])
)
def test_forms_agree(seconds: int, form: str) -> None:
    """The same instant is the same wait, in all the forms in which it is written."""
    instant = int(NOW) + seconds
    moment = datetime.fromtimestamp(instant, UTC)
    text = {
        "delta": str(seconds),
        "epoch": str(instant),
        "ms": f"{instant}000",
        "us": f"{instant}000000",
        "ns": f"{instant}000000000",
        "iso": moment.isoformat(),
        "naive": moment.replace(tzinfo=None).isoformat(),
        "http": format_datetime(moment, usegmt=True),
    }[form]

    wait = parse_wait(text, NOW)

    assert wait == pytest.approx(seconds, abs=1e-3)


def test_server_time_from_body() -> None:
    """The timestamp of the body, exact to the millisecond, comes before the Date header."""
    headers = CIMultiDict({"Date": "Mon, 01 Jan 2024 00:00:09 GMT"})

    assert server_time(headers, envelope(timestamp="2024-01-01T00:00:00.250Z"), now=1.0) == NOW + 0.25


@pytest.mark.parametrize("body", [pytest.param(None, id="no body"), pytest.param(ErrorEnvelope(), id="no timestamp")])
def test_server_time_from_date(body: ErrorEnvelope | None) -> None:
    """Without a timestamp in the body the Date header tells the time."""
    assert server_time(CIMultiDict({"date": DATE}), body, now=1.0) == NOW


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="none"),
        pytest.param([("Date", "yesterday")], id="unreadable"),
        pytest.param([("Date", DATE), ("Date", DATE)], id="twice"),
    ],
)
def test_server_time_from_our_clock(headers: list[tuple[str, str]]) -> None:
    """Our own clock counts only for an answer that has no date of its own."""
    assert server_time(CIMultiDict(headers), None, now=17.0) == 17.0


@pytest.mark.parametrize("skew", SKEWS)
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({"Date": DATE, "Retry-After": "60"}, {}, id="retry-after seconds"),
        pytest.param({"Date": DATE, "Retry-After": "Mon, 01 Jan 2024 00:01:00 GMT"}, {}, id="retry-after date"),
        pytest.param({"Date": DATE, "Retry-After": "1704067260"}, {}, id="retry-after epoch"),
        pytest.param(
            {"Date": DATE, "X-RateLimit-Remaining-User": "0", "X-RateLimit-Reset-User": "1704067260"}, {}, id="reset"
        ),
        pytest.param({"Date": DATE}, {"details": {"reset_time": "2024-01-01T00:01:00.000Z"}}, id="reset_time and Date"),
        pytest.param(
            {},
            {"timestamp": "2024-01-01T00:00:00.000Z", "details": {"reset_time": "2024-01-01T00:01:00.000Z"}},
            id="reset_time and timestamp",
        ),
        pytest.param({}, {"details": {"retry_after_seconds": 60}}, id="retry_after_seconds"),
        pytest.param({}, {"message": "Rate limit exceeded. Retry after 60 seconds."}, id="message"),
    ],
)
def test_wrong_clock(headers: dict[str, str], body: dict[str, Any], skew: float) -> None:
    """A wrong clock of ours changes nothing, wherever the server says how long to wait."""
    assert hold(headers, envelope(**body), now=NOW + skew) == 60.0


def test_our_clock_without_date() -> None:
    """A reset of an answer that has no date is judged by our clock."""
    headers = {"X-RateLimit-Remaining-Partner": "0", "X-RateLimit-Reset-Partner": "1704067260"}

    assert hold(headers, now=NOW + 10) == 50.0


_EXACT = {"timestamp": "2024-01-01T00:00:00.000Z"}


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        pytest.param(
            {"Retry-After": "60"},
            _EXACT | {"details": {"reset_time": "2024-01-01T00:00:59.400Z"}},
            59.4,
            id="exact within a second of Retry-After",
        ),
        pytest.param(
            {"Retry-After": "59"},
            _EXACT | {"details": {"reset_time": "2024-01-01T00:00:59.400Z"}},
            59.4,
            id="Retry-After rounded down",
        ),
        pytest.param(
            {"Retry-After": "60"},
            _EXACT | {"details": {"reset_time": "2024-01-01T00:00:59.000Z"}},
            59.0,
            id="exact a second before Retry-After",
        ),
        pytest.param(
            {"Retry-After": "60"},
            _EXACT | {"details": {"reset_time": "2024-01-01T00:00:58.900Z"}},
            60.0,
            id="more than a second before Retry-After",
        ),
        pytest.param(
            {"Retry-After": "60"},
            _EXACT | {"details": {"reset_time": "2024-01-01T00:00:30.000Z"}},
            60.0,
            id="Retry-After is longer",
        ),
        pytest.param(
            {"Retry-After": "1"},
            _EXACT | {"details": {"reset_time": "2024-01-01T00:01:00.000Z"}},
            60.0,
            id="exact is longer",
        ),
        pytest.param(
            {"Retry-After": "7"}, {"details": {"retry_after_seconds": 60}}, 7.0, id="header before retry_after_seconds"
        ),
        pytest.param(
            {},
            {"message": "Retry after 5 seconds", "details": {"retry_after_seconds": 60}},
            60.0,
            id="retry_after_seconds before message",
        ),
        pytest.param({"Retry-After": "soon"}, {"message": "try again in 5 s"}, 5.0, id="unreadable header"),
        pytest.param(
            {"X-RateLimit-Remaining-Partner": "0", "X-RateLimit-Reset-Partner": "9"},
            _EXACT | {"details": {"limit_type": "partner_level", "reset_time": "2024-01-01T00:00:30Z"}},
            30.0,
            id="reset_time before reset header",
        ),
        pytest.param(
            {"X-RateLimit-Remaining-Partner": "0", "X-RateLimit-Reset-Partner": "9"},
            _EXACT | {"details": {"limit_type": "partner_level", "reset_time": "2023-01-01T00:00:30Z"}},
            9.0,
            id="reset header after a reset_time that means nothing",
        ),
        pytest.param(
            {"X-RateLimit-Remaining-Partner": "5", "X-RateLimit-Reset-Partner": "9"},
            {"details": {"limit_type": "partner_level"}},
            9.0,
            id="reset of the limit that the body names",
        ),
        pytest.param(
            {"X-RateLimit-Remaining-Partner": "5", "X-RateLimit-Reset-Partner": "9"},
            {},
            None,
            id="reset of a limit that is not used up",
        ),
        pytest.param(
            {
                "X-RateLimit-Remaining-Partner": "0",
                "X-RateLimit-Reset-Partner": "9",
                "X-RateLimit-Remaining-User": "0",
                "X-RateLimit-Reset-User": "30",
            },
            {},
            30.0,
            id="two used up, the longer",
        ),
        pytest.param({}, {}, None, id="nothing"),
    ],
)
def test_which_source_wins(headers: dict[str, str], body: dict[str, Any], expected: float | None) -> None:
    """The most exact source of an answer counts, and of two that contradict each other the longer."""
    assert hold(headers, envelope(**body)) == pytest.approx(expected)


def test_seed_429() -> None:
    """The seed's own 429, which has no timestamp and a reset of years ago, asks to wait 60 s."""
    body = decode_envelope((DATA / "create-sr.response.429.seed-schema-examples.json").read_bytes())

    assert hold({"Date": "Fri, 09 Oct 2026 10:00:00 GMT"}, body) == 60.0


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        pytest.param("Rate limit exceeded. Retry after 60 seconds.", 60.0, id="sdk fixture"),
        pytest.param("try again in 1.5s", 1.5, id="fraction"),
        pytest.param("blocked for 5 sec", 5.0, id="sec"),
        pytest.param("RETRY AFTER 2 S", 2.0, id="upper case"),
        pytest.param("Retry after 999999 seconds", None, id="longer than a day"),
        pytest.param("Retry after 5 minutes", None, id="minutes"),
        pytest.param("limit for 3 sides reached", None, id="another word with s"),
        pytest.param("1000 requests in 60", None, id="no unit"),
        pytest.param("Rate limit exceeded", None, id="no number"),
    ],
)
def test_seconds_in_message(message: str, seconds: float | None) -> None:
    """Seconds that stand only inside the message are found there, within the same bounds as others."""
    assert parse_retry_after(CIMultiDict(), envelope(message=message), NOW) == seconds


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(-1, id="negative"),
        pytest.param(86_401, id="longer than a day"),
        pytest.param(1e300, id="huge"),
        pytest.param(math.nan, id="nan"),
        pytest.param(math.inf, id="inf"),
        pytest.param("60", id="text"),
        pytest.param(True, id="true"),
    ],
)
def test_implausible_retry_after_seconds(seconds: object) -> None:
    """A `retry_after_seconds` that can't be one is none."""
    assert parse_retry_after(CIMultiDict(), envelope(details={"retry_after_seconds": seconds}), NOW) is None


def test_doubled_retry_after() -> None:
    """A header that stands there twice says nothing, even if both agree."""
    headers = CIMultiDict([("Retry-After", "60"), ("retry-after", "60")])

    assert parse_retry_after(headers, ErrorEnvelope(), NOW) is None


def test_limits() -> None:
    """Both limits are read, whatever the case of their headers."""
    headers = CIMultiDict(
        {
            "x-ratelimit-limit-partner": "1000",
            "X-RATELIMIT-REMAINING-PARTNER": "0",
            "X-RateLimit-Reset-Partner": "1704067260",
            "X-RateLimit-Limit-User": "50",
            "X-RateLimit-Remaining-User": "49",
            "X-RateLimit-Reset-User": "2024-01-01T00:00:30.000Z",
        }
    )

    assert parse_limits(headers, NOW) == (
        Limit(type=LimitType.PARTNER, limit=1000, remaining=0, resets_in=60.0, resets_at=NOW + 60),
        Limit(type=LimitType.USER, limit=50, remaining=49, resets_in=30.0, resets_at=NOW + 30),
    )


def test_limits_by_date() -> None:
    """Resets are counted from the Date of the answer, not from our clock."""
    headers = CIMultiDict(
        {"Date": DATE, "X-RateLimit-Limit-Partner": "9", "X-RateLimit-Reset-Partner": "1704067260000"}
    )

    assert parse_limits(headers, NOW + 3600) == (
        Limit(type=LimitType.PARTNER, limit=9, resets_in=60.0, resets_at=NOW + 60),
    )


def test_limits_in_part() -> None:
    """A header that is unreadable or doubled leaves the others readable."""
    headers = CIMultiDict(
        [
            ("X-RateLimit-Limit-Partner", "1000"),
            ("X-RateLimit-Limit-Partner", "1000"),
            ("X-RateLimit-Remaining-Partner", "12"),
            ("X-RateLimit-Reset-Partner", "whenever"),
        ]
    )

    assert parse_limits(headers, NOW) == (Limit(type=LimitType.PARTNER, remaining=12),)


def test_no_limits() -> None:
    """An answer without such headers tells of no limit."""
    assert parse_limits(CIMultiDict({"Date": DATE, "Content-Type": "application/json"}), NOW) == ()


def limit(limit_type: LimitType, remaining: int | None) -> Limit:
    """A limit with so much left."""
    return Limit(type=limit_type, remaining=remaining)


@pytest.mark.parametrize(
    ("details", "limits", "reached"),
    [
        pytest.param({"limit_type": "user_level"}, (), LimitType.USER, id="named"),
        pytest.param({"limit_type": "endpoint_specific"}, (), LimitType.ENDPOINT, id="endpoint"),
        pytest.param({"limit_type": "tenant_level"}, (), "tenant_level", id="unknown name"),
        pytest.param(
            {"limit_type": "user_level"}, (limit(LimitType.PARTNER, 0),), LimitType.USER, id="body before headers"
        ),
        pytest.param(
            "error/rate_limit_exceeded",
            (limit(LimitType.PARTNER, 0), limit(LimitType.USER, 3)),
            LimitType.PARTNER,
            id="the only one with nothing left",
        ),
        pytest.param(None, (limit(LimitType.PARTNER, 0), limit(LimitType.USER, 0)), None, id="two with nothing left"),
        pytest.param(None, (limit(LimitType.PARTNER, None),), None, id="remaining not told"),
        pytest.param(None, (), None, id="nothing"),
    ],
)
def test_reached_limit(details: object, limits: tuple[Limit, ...], reached: str | None) -> None:
    """The limit that was reached is the one that the body names, else the only one with nothing left."""
    assert reached_limit(envelope(details=details), limits) == reached


@pytest.mark.parametrize("skew", SKEWS)
def test_undated_answer(skew: float) -> None:
    """Where no header tells the time, resets and waits are counted from the timestamp of the body."""
    body = envelope(timestamp="2024-01-01T00:00:00.000Z")
    headers = CIMultiDict(
        {
            "X-RateLimit-Limit-Partner": "100",
            "X-RateLimit-Reset-Partner": "2024-01-01T00:01:00Z",
            "Retry-After": "Mon, 01 Jan 2024 00:00:30 GMT",
        }
    )

    [limit] = parse_limits(headers, NOW + skew, body)

    assert (limit.resets_in, parse_retry_after(headers, body, NOW + skew)) == (60.0, 30.0)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no time.tzset here: run it on Linux")
def test_instant_without_a_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instant that tells no time zone is one of UTC, wherever this machine is."""
    monkeypatch.setenv("TZ", "EST5")
    time.tzset()
    try:
        wait = parse_wait("2024-01-01T00:01:00", NOW)
    finally:
        monkeypatch.undo()
        time.tzset()

    assert wait == 60.0
