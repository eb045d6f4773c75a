"""What a client can be told: timeouts, the retry policy, and the checks on key and URLs."""

import ipaddress
import math
import re
from collections.abc import Awaitable, Callable
from typing import Literal, get_args
from urllib.parse import urlsplit

from attrs import Attribute, field, frozen

from legitmark_async.errors import ConfigurationError

# Time and chance are arguments, so that a test can bring its own. The shapes are those of `time.monotonic`,
# `asyncio.sleep` and `random.random`.
Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]
Random = Callable[[], float]

DEFAULT_BASE_URL = "https://api.legitmark.com"
DEFAULT_ASSET_URL = "https://asset.legitmark.com"
DEFAULT_CONCURRENCY = 64
LANGUAGES = ("en", "zh", "ja")
OnAmbiguous = Literal["confirm", "raise", "repeat"]

_KEY = re.compile(r"leo_[!#-\[\]-~]+")
_NO_URL = re.compile(r"[\s\x00-\x1f\x7f]")


def _check_positive(instance: object, attribute: "Attribute[float]", value: object) -> None:
    name = f"{type(instance).__name__}.{attribute.name}"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ConfigurationError(f"{name} must be a number above 0, not {value!r}", problems=[attribute.name])


def _check_positive_or_none(instance: object, attribute: "Attribute[float | None]", value: object) -> None:
    if value is not None:
        _check_positive(instance, attribute, value)  # type: ignore[arg-type]  # the name is all it reads


def _check_count(instance: object, attribute: "Attribute[int]", value: object) -> None:
    checked_count(f"{type(instance).__name__}.{attribute.name}", value)


def _check_pauses(instance: object, attribute: "Attribute[tuple[float, ...]]", value: object) -> None:
    if not isinstance(value, tuple):
        name = f"{type(instance).__name__}.{attribute.name}"
        raise ConfigurationError(f"{name} must be a tuple of seconds, not {value!r}", problems=[attribute.name])
    for pause in value:
        _check_positive(instance, attribute, pause)  # type: ignore[arg-type]  # the name is all it reads


@frozen(kw_only=True)
class Timeouts:
    """How long to wait, all in seconds.

    Attributes:
        connect: For a connection: name lookup, TCP and TLS.
        read: For the next bytes of an answer.
        attempt: For one try, from connecting to the last byte of the answer.
        deadline: For a whole call: every try, every wait for the rate limit and between tries. None: no end.
    """

    connect: float = field(default=10.0, validator=_check_positive)
    read: float = field(default=30.0, validator=_check_positive)
    attempt: float = field(default=60.0, validator=_check_positive)
    deadline: float | None = field(default=None, validator=_check_positive_or_none)


@frozen(kw_only=True)
class RetryPolicy:
    """When a call is tried again, and after how long.

    A call is repeated only after a failure that may pass, and only if repeating is safe. The pause before try
    `n + 1` is drawn from 0 to `min(cap, base * 2 ** (n - 1))` seconds ("full jitter"), and is never shorter than
    what the server asked for.

    Attributes:
        attempts: Tries of a call that may fail before it gives up. 1: never repeat, not even a refusal. Looks for a
            create that may have happened may fail twice as often after each.
        base: Seconds of the first pause, at most.
        cap: Seconds of any pause, at most.
        refusals: How often the rate limit may refuse (429) one call before it gives up. A refusal is no failed
            attempt: the whole client waits until the window opens again.
        quota: Tokens in the retry quota that all calls of a client share. A retry takes 5, one after a timeout
            10; successes give them back. An outage is so not multiplied by retries.
        confirm_pauses: Seconds between the looks for a create that may have happened. The API's reads may be stale, so
            only a miss after all of these is believed, and the create repeated.
    """

    attempts: int = field(default=8, validator=_check_count)
    base: float = field(default=0.5, validator=_check_positive)
    cap: float = field(default=30.0, validator=_check_positive)
    refusals: int = field(default=30, validator=_check_count)
    quota: int = field(default=500, validator=_check_count)
    confirm_pauses: tuple[float, ...] = field(default=(1.0, 2.0, 4.0), validator=_check_pauses)


class Secret(str):
    """A text that is itself on the wire and shows in no `repr`: tracebacks and logs print reprs of locals."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret can't be pickled")


def checked_key(value: object) -> Secret:
    """Return the API key.

    Raises:
        ConfigurationError: It is no text that begins with `leo_`; the message doesn't repeat it.
    """
    if not isinstance(value, str) or not value:
        raise ConfigurationError(
            "the API key is missing: pass it to Legitmark(), or set LEGITMARK_API_KEY for Legitmark.from_env()",
            problems=["api_key"],
        )
    if not _KEY.fullmatch(value):
        raise ConfigurationError(
            "the API key must begin with 'leo_' and hold no spaces: copy it from Developer Settings",
            problems=["api_key"],
        )
    return Secret(value)


def checked_url(name: str, value: object) -> str:
    """Return an absolute base URL, without a slash at its end.

    Raises:
        ConfigurationError: It is no https URL, nor an http one of a loopback host, or has a user, query or fragment.
    """
    host = checked_host(name, value)
    url = str(value)
    if any(mark in url for mark in "@?#"):
        raise ConfigurationError(f"{name} must hold no user, query or fragment (host {host!r})", problems=[name])
    return url.rstrip("/")


def checked_asset_url(value: object, base_url: str) -> str:
    """Return where upload intents are asked for, or an empty text if nobody has said.

    Whoever talks to an API on this machine doesn't mean the vendor's host.

    Raises:
        ConfigurationError: It is no https URL, nor an http one of a loopback host, or has a user, query or fragment.
    """
    url = checked_url("asset_url", value)
    return "" if url == DEFAULT_ASSET_URL and _is_loopback(urlsplit(base_url).hostname or "") else url


def checked_host(name: str, value: object) -> str:
    """Return the host of an absolute URL.

    Raises:
        ConfigurationError: It is no https URL, nor an http one of a loopback host.
    """
    if not isinstance(value, str) or _NO_URL.search(value):
        raise ConfigurationError(f"{name} must be a URL without spaces, not {_shown(value)}", problems=[name])
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(f"{name} is not a URL: {_shown(value)} ({error})", problems=[name]) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError(f"{name} must be an https URL, not {_shown(value)}", problems=[name])
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(
            f"{name} must use https: {_shown(value)} would go out in the clear, as the API key would (http is for "
            "loopback alone)",
            problems=[name],
        )
    return host


def checked_language(value: str | None) -> str | None:
    """Return a language of the API, or None for its default.

    Raises:
        ConfigurationError: The API doesn't speak it (contract, section 5).
    """
    if value is not None and value not in LANGUAGES:
        raise ConfigurationError(
            f"language must be one of {', '.join(LANGUAGES)}, not {value!r}", problems=["language"]
        )
    return value


def checked_on_ambiguous(value: OnAmbiguous) -> OnAmbiguous:
    """Return what to do when a create may or may not have been processed.

    Raises:
        ConfigurationError: There is no such choice.
    """
    if value not in get_args(OnAmbiguous):
        choices = ", ".join(repr(choice) for choice in get_args(OnAmbiguous))
        raise ConfigurationError(f"on_ambiguous must be one of {choices}, not {value!r}", problems=["on_ambiguous"])
    return value


def checked_count(name: str, value: object, *, least: int = 1) -> int:
    """Return a whole number of `least` or more.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name} must be a whole number of {least} or more, not {value!r}", problems=[name])
    return value


def checked_deadline(value: float | None) -> float | None:
    """Return the seconds for a whole call.

    Raises:
        ConfigurationError: It is neither None nor a number above 0.
    """
    return Timeouts(deadline=value).deadline


def _shown(value: object) -> str:
    # What stands before an @ may be a password.
    return "one with a user in it" if isinstance(value, str) and "@" in value else repr(value)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
