"""What a client can be told, and what it refuses to be told."""

import copy
import pickle
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legitmark_async.errors import ConfigurationError
from legitmark_async.options import (
    DEFAULT_ASSET_URL,
    DEFAULT_BASE_URL,
    RetryPolicy,
    Secret,
    Timeouts,
    checked_count,
    checked_deadline,
    checked_key,
    checked_language,
    checked_on_ambiguous,
    checked_url,
)


@pytest.mark.parametrize("key", ["leo_a", "leo_your_api_key", "leo_pk_live_abc123", "leo_a.b-c/d+e="])
def test_key(key: str) -> None:
    """A key that begins with leo_ is taken as it is."""
    assert checked_key(key) == key


@pytest.mark.parametrize(
    ("value", "match"),
    [
        pytest.param(None, "the API key is missing: pass it to", id="none"),
        pytest.param("", "the API key is missing: pass it to", id="empty"),
        pytest.param(17, "the API key is missing: pass it to", id="number"),
        pytest.param(b"leo_sesame", "the API key is missing: pass it to", id="bytes"),
        pytest.param("sesame", "must begin with 'leo_'", id="another prefix"),
        pytest.param("LEO_sesame", "must begin with 'leo_'", id="upper case"),
        pytest.param("leo_", "must begin with 'leo_'", id="prefix alone"),
        pytest.param("Bearer leo_sesame", "must begin with 'leo_'", id="with Bearer"),
        pytest.param("leo_sesame\n", "hold no spaces", id="line end"),
        pytest.param(" leo_sesame", "hold no spaces", id="space in front"),
        pytest.param("leo_ses ame", "hold no spaces", id="space inside"),
        pytest.param("leo_sesame\r\nX-Evil: 1", "hold no spaces", id="header injection"),
        pytest.param("leo_sesam\u00e9", "hold no spaces", id="not ascii"),
        pytest.param("leo_sesame\x00", "hold no spaces", id="zero"),
    ],
)
def test_wrong_key(value: object, match: str) -> None:
    """What can't be a key is refused, without a word of it in the message."""
    with pytest.raises(ConfigurationError, match=match) as raised:
        checked_key(value)

    assert raised.value.problems == ("api_key",)
    assert "sesam" not in f"{raised.value!s} {raised.value!r} {raised.value.__dict__}"


@given(value=st.text())
def test_any_key(value: str) -> None:
    """What passes for a key can stand in a header as it is."""
    try:
        key = checked_key(f"leo_{value}")
    except ConfigurationError:
        assert value == "" or any(not "\x21" <= letter <= "\x7e" or letter in '"\\' for letter in value)
    else:
        assert key.isascii()
        assert key.isprintable()
        assert " " not in key


def test_secret_is_a_text() -> None:
    """A secret goes out as what it is."""
    assert f"Bearer {Secret('leo_sesame')}" == "Bearer leo_sesame"


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(repr, id="repr"),
        pytest.param(lambda secret: repr({"key": [secret]}), id="repr of a container"),
        pytest.param(lambda secret: f"{secret!r}", id="format"),
        pytest.param(lambda secret: "%r" % secret, id="percent"),  # noqa: UP031  # the very thing tested
        pytest.param(ascii, id="ascii"),
    ],
)
def test_secret_shows_in_no_repr(shown: Any) -> None:  # noqa: ANN401  # five kinds of callable
    """Tracebacks and logs print the reprs of locals, so the repr of a secret doesn't tell it."""
    assert "sesame" not in shown(Secret("leo_sesame"))
    assert "***" in shown(Secret("leo_sesame"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_secret_does_not_pickle(protocol: int) -> None:
    """A secret doesn't get into a pickle, and so neither does what holds it."""
    with pytest.raises(TypeError, match="a secret can't be pickled"):
        pickle.dumps({"key": Secret("leo_sesame")}, protocol)


def test_secret_does_not_deepcopy() -> None:
    """A secret isn't copied either."""
    with pytest.raises(TypeError, match="a secret can't be pickled"):
        copy.deepcopy(Secret("leo_sesame"))


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        pytest.param(DEFAULT_BASE_URL, "https://api.legitmark.com", id="default"),
        pytest.param(DEFAULT_ASSET_URL, "https://asset.legitmark.com", id="default of assets"),
        pytest.param("https://api.legitmark.com/", "https://api.legitmark.com", id="slash"),
        pytest.param("https://proxy.example/legitmark//", "https://proxy.example/legitmark", id="path"),
        pytest.param("https://api.Legitmark.com:8443", "https://api.Legitmark.com:8443", id="port"),
        pytest.param("http://localhost:8080", "http://localhost:8080", id="localhost"),
        pytest.param("http://LOCALHOST", "http://LOCALHOST", id="localhost in upper case"),
        pytest.param("http://127.0.0.1:8080/", "http://127.0.0.1:8080", id="127.0.0.1"),
        pytest.param("http://127.8.9.1", "http://127.8.9.1", id="another of 127"),
        pytest.param("http://[::1]:8080", "http://[::1]:8080", id="ipv6"),
        pytest.param("https://[2001:db8::1]", "https://[2001:db8::1]", id="https of an ipv6"),
    ],
)
def test_url(url: str, taken: str) -> None:
    """An https URL is taken, and an http one of this machine, without the slash at its end."""
    assert checked_url("base_url", url) == taken


@pytest.mark.parametrize(
    "url",
    [
        "http://api.legitmark.com",
        "http://localhost.evil.com",
        "http://127.0.0.1.evil.com",
        "http://evil.com/localhost",
        "http://evil.com:80/?localhost",
        "http://evil.com#localhost",
        "http://localhost@evil.com",
        "http://localhost\\@evil.com",
        "http://evil.com\\@localhost",
        "http://0.0.0.0",
        "http://10.0.0.1",
        "http://128.0.0.1",
        "http://127.1",
        "http://2130706433",
        "http://[::2]",
        "http://xlocalhost",
        "HTTP://api.legitmark.com",
    ],
)
def test_http_of_others(url: str) -> None:
    """An http URL of any host but this machine would send the key in the clear, so it is refused."""
    with pytest.raises(
        ConfigurationError, match=r"base_url must (use https|hold no user, query or fragment)"
    ) as raised:
        checked_url("base_url", url)

    assert raised.value.problems == ("base_url",)


@pytest.mark.parametrize(
    ("url", "match"),
    [
        pytest.param("", "asset_url must be an https URL", id="empty"),
        pytest.param("api.legitmark.com", "asset_url must be an https URL", id="no scheme"),
        pytest.param("//api.legitmark.com", "asset_url must be an https URL", id="no scheme, slashes"),
        pytest.param("ftp://api.legitmark.com", "asset_url must be an https URL", id="ftp"),
        pytest.param("file:///etc/passwd", "asset_url must be an https URL", id="file"),
        pytest.param("https://", "asset_url must be an https URL", id="no host"),
        pytest.param("https:///path", "asset_url must be an https URL", id="path alone"),
        pytest.param("https://:443", "asset_url must be an https URL", id="port alone"),
        pytest.param("https://host:port", "asset_url is not a URL: 'https://host:port'", id="port in words"),
        pytest.param("https://host:99999", "asset_url is not a URL: 'https://host:99999'", id="port out of range"),
        pytest.param("https://[::1", "asset_url is not a URL", id="half a bracket"),
        pytest.param("https://user@host", r"no user, query or fragment \(host 'host'\)", id="user"),
        pytest.param("https://host?a=1", "no user, query or fragment", id="query"),
        pytest.param("https://host#a", "no user, query or fragment", id="fragment"),
        pytest.param("https://host?", "asset_url", id="empty query"),
        pytest.param("https://host#", "asset_url", id="empty fragment"),
        pytest.param(" https://host", "asset_url", id="space in front"),
        pytest.param("https://host\n", "asset_url", id="line end"),
        pytest.param("https://ho st", "asset_url", id="space inside"),
        pytest.param(17, "asset_url", id="number"),
        pytest.param(None, "asset_url", id="none"),
    ],
)
def test_wrong_url(url: str, match: str) -> None:
    """What a path can't be put behind is refused, with the name of the option."""
    with pytest.raises(ConfigurationError, match=match) as raised:
        checked_url("asset_url", url)

    assert raised.value.problems == ("asset_url",)


@pytest.mark.parametrize(
    "url",
    ["https://u:sesame@host", "https://:sesame@host", "ftp://u:sesame@host", "https://u:sesame@host:port"],
)
def test_password_in_url(url: str) -> None:
    """A password in a URL is refused, without a word of it in the message."""
    with pytest.raises(ConfigurationError, match="base_url") as raised:
        checked_url("base_url", url)

    assert "sesame" not in str(raised.value)


NO_POSITIVE_NUMBERS = [
    pytest.param(0, id="zero"),
    pytest.param(-1.0, id="negative"),
    pytest.param(float("nan"), id="nan"),
    pytest.param(float("inf"), id="inf"),
    pytest.param("30", id="text"),
    pytest.param(True, id="true"),
]
NO_COUNTS = [
    pytest.param(0, id="zero"),
    pytest.param(-1, id="negative"),
    pytest.param(8.0, id="float"),
    pytest.param("8", id="text"),
    pytest.param(True, id="true"),
    pytest.param(None, id="none"),
]


@pytest.mark.parametrize("name", ["connect", "read", "attempt", "deadline"])
@pytest.mark.parametrize("value", NO_POSITIVE_NUMBERS)
def test_wrong_timeout(name: str, value: object) -> None:
    """A timeout that is no time is refused, by its name."""
    options: dict[str, Any] = {name: value}

    with pytest.raises(ConfigurationError, match=rf"^Timeouts\.{name} must be a number above 0, not ") as raised:
        Timeouts(**options)

    assert raised.value.problems == (name,)


@pytest.mark.parametrize("name", ["connect", "read", "attempt"])
def test_timeout_needed(name: str) -> None:
    """Of the timeouts only the deadline may be None."""
    options: dict[str, Any] = {name: None}

    with pytest.raises(ConfigurationError, match=rf"^Timeouts\.{name} must be a number above 0, not None"):
        Timeouts(**options)


@pytest.mark.parametrize("name", ["base", "cap"])
@pytest.mark.parametrize("value", [*NO_POSITIVE_NUMBERS, pytest.param(None, id="none")])
def test_wrong_pause(name: str, value: object) -> None:
    """A pause that is no time is refused, by its name."""
    options: dict[str, Any] = {name: value}

    with pytest.raises(ConfigurationError, match=rf"^RetryPolicy\.{name} must be a number above 0, not "):
        RetryPolicy(**options)


@pytest.mark.parametrize("value", [[0.5], 0.5, None, (0.5, 0), ("1",)], ids=["list", "one", "none", "zero", "text"])
def test_wrong_pauses(value: Any) -> None:  # noqa: ANN401  # wrong on purpose
    """Pauses between looks are a tuple of times."""
    with pytest.raises(ConfigurationError, match=r"^RetryPolicy\.confirm_pauses must be a ") as raised:
        RetryPolicy(confirm_pauses=value)

    assert raised.value.problems == ("confirm_pauses",)


@pytest.mark.parametrize("name", ["attempts", "refusals", "quota"])
@pytest.mark.parametrize("value", NO_COUNTS)
def test_wrong_policy(name: str, value: object) -> None:
    """A count that is none is refused, by its name."""
    options: dict[str, Any] = {name: value}

    with pytest.raises(ConfigurationError, match=rf"^RetryPolicy\.{name} must be a whole number of 1 or more"):
        RetryPolicy(**options)


def test_defaults() -> None:
    """The defaults are those that are documented."""
    assert attrs.astuple(Timeouts()) == (10.0, 30.0, 60.0, None)
    assert attrs.astuple(RetryPolicy()) == (8, 0.5, 30.0, 30, 500, (1.0, 2.0, 4.0))


@pytest.mark.parametrize("options", [Timeouts(), RetryPolicy()], ids=["timeouts", "policy"])
def test_frozen(options: Timeouts | RetryPolicy) -> None:
    """Options can't be changed under the hands of a client."""
    name = attrs.fields(type(options))[0].name

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(options, name, 1)


@pytest.mark.parametrize("value", NO_COUNTS)
def test_wrong_count(value: object) -> None:
    """A count that is none is refused, by the name that it is given."""
    with pytest.raises(ConfigurationError, match=r"^concurrency must be a whole number of 1 or more") as raised:
        checked_count("concurrency", value)

    assert raised.value.problems == ("concurrency",)


def test_count() -> None:
    """A count of 1 or more is taken."""
    assert checked_count("concurrency", 1) == 1


@pytest.mark.parametrize("language", [None, "en", "zh", "ja"])
def test_language(language: str | None) -> None:
    """The languages of the API are taken, and None for its default."""
    assert checked_language(language) == language


@pytest.mark.parametrize("language", ["", "EN", "de", "en-US", "en\r\nX-Evil: 1"])
def test_wrong_language(language: str) -> None:
    """A language that the API doesn't speak is refused, with those that it does."""
    with pytest.raises(ConfigurationError, match=r"^language must be one of en, zh, ja, not ") as raised:
        checked_language(language)

    assert raised.value.problems == ("language",)


@pytest.mark.parametrize("choice", ["confirm", "raise", "repeat"])
def test_on_ambiguous(choice: Any) -> None:  # noqa: ANN401  # a literal, by its text
    """The choices for a create of unknown outcome are taken."""
    assert checked_on_ambiguous(choice) == choice


def test_wrong_on_ambiguous() -> None:
    """Another choice is refused, with those that there are."""
    with pytest.raises(ConfigurationError, match=r"^on_ambiguous must be one of .*'raise'.*, not 'ignore'$"):
        checked_on_ambiguous("ignore")  # type: ignore[arg-type]  # the very thing tested


@pytest.mark.parametrize("deadline", [None, 0.001, 60])
def test_deadline(deadline: float | None) -> None:
    """A deadline is a number of seconds, or None for no end."""
    assert checked_deadline(deadline) == deadline


def test_wrong_deadline() -> None:
    """A deadline that has passed before it begins is refused."""
    with pytest.raises(ConfigurationError, match=r"deadline must be a number above 0, not 0"):
        checked_deadline(0)
