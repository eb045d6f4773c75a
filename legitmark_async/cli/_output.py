"""What commands write: JSON lines for programs, words for people. Imported for `--help`: nothing heavy in here."""

import contextlib
import json
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO


def say(words: str) -> None:
    """Write a line for people, on stderr; if nobody listens there, to nobody."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{words}\n")
            sys.stderr.flush()


def complain(error: object) -> None:
    """Tell of an error in one line, on stderr."""
    say(f"legitmark: {describe_error(error)}")


def describe_error(error: object) -> str:
    """Return what is wrong, in one line."""
    if isinstance(error, OSError) and error.strerror:
        error = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split())


def encode_json(value: Any) -> bytes:  # noqa: ANN401  # JSON is anything
    """Return a value as one line of JSON in UTF-8, whatever texts and numbers are in it.

    Values that are nested too deep to be written (Python reads a little deeper than it writes) become null.
    """
    try:
        return _encode(value)
    except RecursionError:
        if not isinstance(value, Mapping):
            return _encode(None)
        return _encode({key: None if isinstance(inner, (dict, list)) else inner for key, inner in value.items()})


def _encode(value: Any) -> bytes:  # noqa: ANN401  # JSON is anything
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        # NaN and Infinity, which Python reads in JSON and JSON does not have.
        value = json.loads(json.dumps(value), parse_constant=lambda _: None)
        text = json.dumps(value, ensure_ascii=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        # A lone surrogate, from a byte that is no UTF-8: only an escape can write it.
        return json.dumps(value).encode() + b"\n"


def write_json(value: Any) -> None:  # noqa: ANN401  # JSON is anything
    """Write a JSON line to stdout."""
    file = stdout()
    file.write(encode_json(value))
    file.flush()


def stdout() -> BinaryIO:
    """Return stdout, for bytes.

    Raises:
        OSError: It is closed.
    """
    if sys.stdout is None:
        raise OSError("stdout is closed")
    return sys.stdout.buffer
