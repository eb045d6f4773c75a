"""The words of errors: one line, without secrets, and no longer than anybody reads."""

import re

# Bodies are redacted as JSON text, so a secret ends at the quote that ends its string, and an escape stays whole.
# The prefix alone, as in 'leo_', is no key.
_SECRETS = re.compile(
    r"(?P<key>leo_)(?!')(?:[!#-\[\]-~]|\\[!#-~])+"
    r"|\?(?:[^\s'\"<>\\?]|\\[^\s'\"<>?])*X-Amz-(?:[^\s'\"<>\\]|\\[^\s'\"<>])*",
    re.IGNORECASE,
)
_QUOTED = 200


def redact(text: str) -> str:
    """Return the text without API keys and without the queries of presigned URLs."""
    return _SECRETS.sub(lambda match: "leo_***" if match["key"] else "?***", text)


def describe_limit(limit_type: str | None, limit: int | None) -> str:
    """Name a rate limit in words, such as `partner limit of 1000`."""
    name = "rate" if limit_type is None else limit_type.removesuffix("_level").removesuffix("_specific")
    return f"{name} limit" if limit is None else f"{name} limit of {limit}"


def because(detail: str) -> str:
    """Return the end of a sentence that gives a reason, if there is one."""
    if not detail:
        return ""
    return f": {detail}" if len(detail) <= _QUOTED else f": {detail[:_QUOTED]}…"
