"""What an answer tells of rate limits and waits, from text to numbers.

Pure: `now`, the epoch seconds of the server's clock as well as we know it, is an argument, and counts only for an
answer whose own date doesn't belie it. Whatever can't be a time or a count is None: never an exception, and never a
sleep of years.
"""

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from attrs import define, field
from multidict import istr

from legitmark_async._wire import Headers
from legitmark_async.models import ErrorEnvelope, Limit, LimitType

# No server that is in its right mind asks to wait for longer than this (s).
LONGEST_WAIT = 86_400.0
# A reset that has just passed means "now"; one that lies further back means nothing (s).
_JUST_PASSED = 60.0
# Two sources that differ by less name the same instant: Retry-After and Date are whole seconds.
_SAME_INSTANT = 1.0
# The Date header is in whole seconds; so long after it an answer may still be on its way (s).
_RESOLUTION, _DATED = 1.0, 3.0
_DATE = istr("Date")
_LARGEST_COUNT = 10**9
_EPOCH_FROM = 1e8

_NUMBER = re.compile(r"\d{1,20}(\.\d{1,9})?", re.ASCII)
_COUNT = re.compile(r"\d{1,10}(\.0*)?", re.ASCII)
_IN_MESSAGE = re.compile(r"\b(?:after|in|for)\s+(\d{1,6}(?:\.\d{1,6})?)\s*(?:s\b|sec)", re.IGNORECASE)

_SUFFIXES = (("Partner", LimitType.PARTNER), ("User", LimitType.USER))
# Looked up in each answer, so they are hashed once and for all.
_NAMES = tuple(
    (
        istr(f"X-RateLimit-Limit-{suffix}"),
        istr(f"X-RateLimit-Remaining-{suffix}"),
        istr(f"X-RateLimit-Reset-{suffix}"),
        limit_type,
    )
    for suffix, limit_type in _SUFFIXES
)


def parse_count(text: str | None) -> int | None:
    """Read a number of requests."""
    # It is the stripped text that is read too: what `strip` takes away, `float` may not know.
    text = "" if text is None else text.strip()
    if not _COUNT.fullmatch(text):
        return None
    count = int(float(text))
    return count if count <= _LARGEST_COUNT else None


def parse_wait(text: str | None, now: float) -> float | None:
    """Read when something happens, and return the seconds until then.

    Args:
        text: Seconds; epoch seconds, milliseconds, microseconds or nanoseconds; ISO 8601; or an HTTP date. Which of
            the numbers it is shows by the size.
        now: The instant that it counts from, as epoch seconds of the clock that wrote the text.
    """
    instant = parse_instant(text)
    if instant is not None:
        return _until(instant, now)
    text = "" if text is None else text.strip()
    return _plausible(float(text)) if _NUMBER.fullmatch(text) else None


def parse_instant(text: str | None) -> float | None:
    """Read an instant in any of the ways of `parse_wait` but plain seconds, as epoch seconds."""
    if text is None:
        return None
    text = text.strip()
    if _NUMBER.fullmatch(text):
        number = float(text)
        return None if number < _EPOCH_FROM else _epoch_seconds(number)
    return _parse_instant(text)


@define(eq=False)
class ServerClock:
    """Follows the server's clock by the dates of its answers, more exactly than the whole seconds of one date.

    An answer that is dated 12:00:05 was written while the server's clock showed 12:00:05 to 12:00:06, and while ours
    showed some instant between sending and receiving. Each answer so bounds the difference of the clocks; after some of
    them it is known to about a round trip.
    """

    _least: float = field(default=-float("inf"), init=False)
    _most: float = field(default=float("inf"), init=False)
    _text: str | None = field(default=None, init=False)
    _date: float | None = field(default=None, init=False)

    def now(self, headers: Headers, sent: float, received: float, wall: float) -> float:
        """Return the instant at which an answer was received, as epoch seconds of the server's clock.

        It may be a little too early, and then waits that are counted from it are too long, never too short.

        Args:
            headers: Of the answer.
            sent: When its request was sent, in monotonic seconds.
            received: When it was received, in monotonic seconds.
            wall: The same instant by our wall clock, for a server that dates nothing.
        """
        text = headers.get(_DATE)
        if text != self._text:
            self._text, self._date = text, None if text is None else _parse_instant(text)
        if self._date is None:
            return wall
        least, most = self._date - received, self._date + _RESOLUTION - sent
        self._least, self._most = max(self._least, least), min(self._most, most)
        if self._least > self._most:
            # A clock was set, or several servers answer: begin anew.
            self._least, self._most = least, most
        return received + self._least

    @property
    def known(self) -> bool:
        """Whether an answer has told what the server's clock shows."""
        return math.isfinite(self._least)

    def at(self, instant: float, *, now: float, wall: float) -> float:
        """Return an instant as epoch seconds of the server's clock, or of ours as long as no answer told of it.

        Args:
            instant: In monotonic seconds.
            now: This moment, in monotonic seconds.
            wall: This moment, by our wall clock.
        """
        return instant + self._least if self.known else wall + instant - now


def server_time(headers: Headers, envelope: ErrorEnvelope | None, now: float) -> float:
    """Return the instant of an answer on the server's own clock, as epoch seconds.

    By the body's timestamp (milliseconds), else by what we know if it lies within the whole second of the Date header,
    else by that.
    """
    if envelope is not None and envelope.timestamp is not None:
        return envelope.timestamp.timestamp()
    date = _single(headers, "Date")
    instant = None if date is None else _parse_instant(date)
    return now if instant is None or 0 <= now - instant < _DATED else instant


def parse_limits(headers: Headers, now: float, envelope: ErrorEnvelope | None = None) -> tuple[Limit, ...]:
    """Read the X-RateLimit-* headers of an answer; empty if it has none (contract, section 6)."""
    found: list[Limit] = []
    for limit_name, remaining_name, reset_name, limit_type in _NAMES:
        # Most answers have none of them, so look before taking the trouble.
        if limit_name in headers or remaining_name in headers:
            reset = _single(headers, reset_name)
            found.append(
                Limit(
                    type=limit_type,
                    limit=parse_count(_single(headers, limit_name)),
                    remaining=parse_count(_single(headers, remaining_name)),
                    resets_in=parse_wait(reset, server_time(headers, envelope, now)),
                    resets_at=parse_instant(reset),
                )
            )
    return tuple(found)


def parse_hold(headers: Headers, envelope: ErrorEnvelope, limits: tuple[Limit, ...], now: float) -> float | None:
    """Return the seconds until a refused request may be sent again, from the most exact source of its answer.

    1. `reset_time - timestamp` of the body, both on the server's clock, or the reset of the limit that is used up.
    2. Retry-After, or the body's `retry_after_seconds`: whole seconds. It confirms the first if it is within a second
       of it; else the longer of the two counts.
    3. A number of seconds in the message.
    """
    exact = parse_reset(headers, envelope, limits, now)
    told = parse_retry_after(headers, envelope, now)
    if told is None:
        return exact
    if exact is None or abs(exact - told) > _SAME_INSTANT:
        return told if exact is None else max(exact, told)
    return exact


def parse_retry_after(headers: Headers, envelope: ErrorEnvelope, now: float) -> float | None:
    """Return the seconds that an answer asks to wait, by header, body or message."""
    header = parse_wait(_single(headers, "Retry-After"), server_time(headers, envelope, now))
    if header is not None:
        return header
    details = envelope.rate_limit
    if details is not None and details.retry_after_seconds is not None:
        return _plausible(details.retry_after_seconds)
    match = _IN_MESSAGE.search(envelope.message or "")
    return None if match is None else _plausible(float(match[1]))


def reached_limit(envelope: ErrorEnvelope, limits: tuple[Limit, ...]) -> LimitType | str | None:
    """Tell which limit a 429 speaks of: the one that its body names, else the only one with nothing left."""
    if envelope.rate_limit is not None and envelope.rate_limit.limit_type is not None:
        return envelope.rate_limit.limit_type
    spent = [limit.type for limit in limits if limit.remaining == 0]
    return spent[0] if len(spent) == 1 else None


def parse_reset(headers: Headers, envelope: ErrorEnvelope, limits: tuple[Limit, ...], now: float) -> float | None:
    """Return the seconds until the reset that a refusal names, by its body or else by its headers."""
    details = envelope.rate_limit
    if details is not None and details.reset_time is not None:
        hold = _until(details.reset_time.timestamp(), server_time(headers, envelope, now))
        if hold is not None:
            return hold
    limit_type = reached_limit(envelope, limits)
    resets = [
        limit.resets_in
        for limit in limits
        if limit.resets_in is not None and (limit.type == limit_type or limit.remaining == 0)
    ]
    return max(resets, default=None)


def _single(headers: Headers, name: str) -> str | None:
    # A header that stands there twice says two things, and so nothing.
    values = headers.getall(name, [])
    return values[0] if len(values) == 1 else None


def _parse_instant(text: str) -> float | None:
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            instant = parse(text)
            return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            continue
    return None


def _epoch_seconds(number: float) -> float:
    for smallest, unit in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3)):
        if number >= smallest:
            return number / unit
    return number


def _until(instant: float, now: float) -> float | None:
    seconds = instant - now
    return _plausible(max(seconds, 0.0)) if seconds > -_JUST_PASSED else None


def _plausible(seconds: float) -> float | None:
    return seconds if 0 <= seconds <= LONGEST_WAIT else None
