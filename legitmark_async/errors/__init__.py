"""Everything that can go wrong, in one tree.

```
LegitmarkError                      retryable, attempts, request_id, maybe_processed
├── ConfigurationError              a wrong key, URL, option or draft; before any I/O
│   └── PhotoError                  a photo that the API wouldn't take
├── TransportError                  no complete answer
│   ├── ConnectionFailedError       never sent
│   ├── AttemptTimeoutError         one try took too long
│   └── DeadlineExceededError       the time for the whole call is used up
├── ResponseError                   an answer, and not a success
│   ├── InvalidRequestError         400, 422
│   ├── AuthenticationError         401
│   ├── ForbiddenError              403
│   ├── NotFoundError               404
│   ├── ConflictError               409
│   ├── RateLimitError              429
│   └── ServerError                 5xx
├── MalformedResponseError          a success that can't be read
├── OutcomeUnknownError             a create that may or may not have happened
├── WorkflowError                   an item that got stuck on its way to its verdict
├── RecordError                     what a bulk run does can't be noted or read
│   ├── JournalError                in its journal
│   └── LedgerError                 of a job for many machines, in its ledger
└── WebhookError
    ├── SignatureError              not from Legitmark, or too old
    └── UnreadableEventError        no event
```

An error is raised with facts and writes its sentence itself. Errors pickle, with their cause.
"""

from legitmark_async.errors._base import (
    Attempt,
    ConfigurationError,
    JournalError,
    LedgerError,
    LegitmarkError,
    OutcomeUnknownError,
    PhotoError,
    RecordError,
    SignatureError,
    UnreadableEventError,
    WebhookError,
    WorkflowError,
    draft_error,
    without_frames,
)
from legitmark_async.errors._response import (
    AuthenticationError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    MalformedResponseError,
    NotFoundError,
    RateLimitError,
    ResponseError,
    ServerError,
    error_class,
)
from legitmark_async.errors._transport import (
    AttemptTimeoutError,
    ConnectionFailedError,
    DeadlineExceededError,
    TransportError,
)
from legitmark_async.errors._words import describe_limit, redact

__all__ = [
    "Attempt",
    "AttemptTimeoutError",
    "AuthenticationError",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "DeadlineExceededError",
    "ForbiddenError",
    "InvalidRequestError",
    "JournalError",
    "LedgerError",
    "LegitmarkError",
    "MalformedResponseError",
    "NotFoundError",
    "OutcomeUnknownError",
    "PhotoError",
    "RateLimitError",
    "RecordError",
    "ResponseError",
    "ServerError",
    "SignatureError",
    "TransportError",
    "UnreadableEventError",
    "WebhookError",
    "WorkflowError",
    "describe_limit",
    "draft_error",
    "error_class",
    "redact",
    "without_frames",
]

# A traceback names an error as users import it.
for _name in __all__:
    globals()[_name].__module__ = __name__
