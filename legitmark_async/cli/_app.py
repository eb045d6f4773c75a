"""The commands there are, and what becomes of a wrong command line. Imported for `--help`: nothing heavy in here."""

import itertools
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from cyclopts import App, CycloptsError, Group, Parameter

from legitmark_async.cli._conventions import BY_SIGNAL, SOME_FAILED, STDIN, WRONG_USAGE
from legitmark_async.cli._output import complain, say

_EPILOGUE = """\
JSON goes to stdout, words and progress to stderr. Exit status: 0 all done; 1 some items failed; 2 wrong usage or
configuration; 3 nothing could be done; 130 interrupted.
"""

_TRY, _ONE, _MANY, _MACHINES, _REST, _OPTIONS_OF_ALL = [
    Group.create_ordered(name)
    for name in ("Try it", "One item", "Many items", "Many machines", "The rest of the API", "Options")
]
# By their import paths: a command's module, with all that it imports, is loaded when the command is run. So that the
# list of commands needs none of them, their help stands here; that of the options stands with the options.
_COMMANDS = {
    _TRY: {
        "legitmark_async.cli._demo:demo": """See a bulk run under rate limits; no key, no network.

Starts the sandbox and creates items in it. The last line on stdout is a JSON object: what the client counted, what the
sandbox counted (`duplicates`, `refused`), the `seconds` it took, and the `ideal_seconds` that the limit makes
inevitable.""",
        "legitmark_async.cli._sandbox:sandbox": """Serve a look-alike of the API, for tests.

On 127.0.0.1, until SIGINT or SIGTERM ends it with exit status 0. The first line on stdout is a JSON object with its
`url` and the made-up `api_key` that it takes. What really happened is told at `/_sandbox/ledger`.""",
    },
    _ONE: {
        "legitmark_async.cli._create:create": """Create one service request.

It is printed as one JSON object, as the API tells it. If the answer is lost, it is looked for before it is sent again.
If it can't be known what became of it, the exit status is 1: look for its reference id before you create it again.""",
        "legitmark_async.cli._authenticate:authenticate": """Create, photograph and submit one item.

Its photos are checked first. --verdict waits for the verdict too. If it gets stuck on its way, it says where and why,
and --sr goes on with it.""",
        "legitmark_async.cli._calls:requirements": """Tell which sides of a service request need photos.

One JSON object a side: `uuid`, `name`, `required`, `uploaded`.""",
        "legitmark_async.cli._calls:upload": """Upload the photo of one side.

It is checked first: JPEG, PNG, HEIC or DNG by its content, 5 MB at most, 600 x 600 pixels at least.""",
        "legitmark_async.cli._calls:progress": """Tell whether the photos of a service request are enough.

`met` is null where the API couldn't count them.""",
        "legitmark_async.cli._calls:submit": """Submit a service request for authentication.

It may be run again without harm: what is submitted already is not submitted again.""",
        "legitmark_async.cli._calls:wait": """Wait for the verdict on a service request.

Asks now and then until it is complete or cancelled (exit status 0), or its photos were rejected (1).""",
        "legitmark_async.cli._calls:get": """Print a service request.

As the API tells it. --include asks for more: item, sides, requirements, summary, outcome and others.""",
        "legitmark_async.cli._calls:find": """Look a service request up by any of its ids.

The look-up is public: what it finds needn't be yours. `get` reads only yours.""",
    },
    _MANY: {
        "legitmark_async.cli._create_many:create_many": """Create a service request for each row of a file.

As fast as the rate limits allow. For each row one JSON object tells what became of it: `reference_id`, `status`
(created, failed, unknown or skipped), `uuid`, `micro_id`, `error`, the `line` of the row, and its other columns as
`extra`. A bad row fails alone. Ctrl-C lets requests in flight end, for up to 5 s, and accounts for every row read. With
--journal the same command goes on where the last one stopped or was killed.""",
        "legitmark_async.cli._submit_many:submit_many": """Create, photograph and submit each row of a file.

The photos of a row stand in PHOTOS/reference_id/, one file for each side, called by the side's English name or its
UUID: Front.jpg, "Serial Number.heic". They are checked before the row is created. The outcomes are those of
create-many, and `submitted` and `stuck`: created, and no further, because of a photo that is missing, for example. With
--journal the same command goes on with each row where it got to.""",
        "legitmark_async.cli._status:status": """Tell what a journal holds.

One JSON object: counts of the items by what became of them, and the runs. On stderr stands how to go on.""",
        "legitmark_async.cli._export:export": """Write what became of each row, of all runs over a journal.

The same lines as create-many writes, in the order in which the rows were first noted; or CSV. In CSV a text that a
spreadsheet would take for a formula gets an apostrophe before it.""",
        "legitmark_async.cli._report:report": """Write a page that tells what happened in the runs over a journal.

One HTML file that needs nothing else: outcomes, creates and refusals over time, waits and why, and what failed, by its
cause, with the rows that it hit.""",
    },
    _MACHINES: {
        "legitmark_async.cli._worker:worker": """Create the items of jobs, beside others on other machines.

Until a signal ends it: requests in flight end then, and what is unfinished is given back. Needs RabbitMQ and Redis. All
workers obey one rate limit.""",
    },
    _REST: {
        "legitmark_async.cli._request:request": """Call an endpoint that has no command.

With the same retries, pacing and errors. Other than GET, HEAD and OPTIONS it is not repeated if it may have been
carried out.""",
    },
}


def _version() -> str:
    try:
        return f"legitmark {version('legitmark-async')}"
    except PackageNotFoundError:
        return "legitmark (not installed)"


def _default(value: object) -> str | None:
    """Tell what stands for an option that isn't given; of flags and of what may be repeated nothing does."""
    if value is None or value is False or value == ():
        return None
    return "-" if value == STDIN else str(value)


_OPTIONS = Parameter(negative="", show_default=_default)

app = App(
    name="legitmark",
    help="Create service requests of the Legitmark Partner API: one, or as many as its rate limits let through.",
    help_epilogue=_EPILOGUE,
    version=_version,
    default_parameter=_OPTIONS,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app["--help"].help = "Show this help."
app["--help"].group = app["--version"].group = _OPTIONS_OF_ALL
app["--version"].help = "Show the version."

_order = itertools.count()
for _group, _commands in _COMMANDS.items():
    for _path, _help in _commands.items():
        app.command(_path, help=_help, group=_group, sort_key=next(_order))

_taxonomy = App(
    name="taxonomy",
    help="See what there is to choose from: categories, types, brands.",
    group=_REST,
    sort_key=next(_order),
    default_parameter=_OPTIONS,
)
_taxonomy.command(
    "legitmark_async.cli._taxonomy:tree", help="Print every type with its category, one JSON object a line."
)
_taxonomy.command("legitmark_async.cli._taxonomy:brands", help="Print the brands, one JSON object a line.")
_taxonomy.command("legitmark_async.cli._taxonomy:models", help="Print the models, one JSON object a line.")
_taxonomy.command("legitmark_async.cli._taxonomy:resolve", help="Print the UUIDs of an item that is told by names.")
app.command(_taxonomy)

_webhook = App(
    name="webhook",
    help="Try webhooks out. The secret is read from LEGITMARK_WEBHOOK_SECRET.",
    group=_REST,
    sort_key=next(_order),
    default_parameter=_OPTIONS,
)
_webhook.command(
    "legitmark_async.cli._webhook:verify_webhook",
    name="verify",
    help="Check the signature of a webhook, and print its event.",
)
_webhook.command(
    "legitmark_async.cli._webhook:listen",
    help="Print each event that comes to 127.0.0.1, as one JSON object a line, until Ctrl-C.",
)
app.command(_webhook)

_job = App(
    name="job",
    help="Give items to workers on many machines. Needs RabbitMQ and Redis.",
    group=_MACHINES,
    sort_key=next(_order),
    default_parameter=_OPTIONS,
)
_job.command(
    "legitmark_async.cli._job:submit",
    help="""Give the rows of a file to workers.

The job's id is told on stdout, as one JSON object. Submitted again under its --id, a job goes on where it got to: what
was created is skipped, what failed is sent again.""",
)
_job.command("legitmark_async.cli._job:status", help="Tell how far a job is, or wait until it is finished.")
_job.command("legitmark_async.cli._job:export", help="Write what became of each item of a job that was begun.")
_job.command("legitmark_async.cli._job:cancel", help="Let nothing more of a job be sent. What was created stays.")
app.command(_job)


def run(words: Sequence[str]) -> int:
    """Run a command line.

    Args:
        words: What follows the name of the program.

    Returns:
        The exit status.
    """
    try:
        return _run([STDIN if word == "-" else word for word in words])
    except KeyboardInterrupt:
        say("interrupted")
        return BY_SIGNAL + signal.SIGINT
    except BrokenPipeError:
        return SOME_FAILED  # whoever read stdout has enough (`| head`)
    finally:
        _flush()


def _run(words: Sequence[str]) -> int:
    try:
        return int(app(words, exit_on_error=False, print_error=False) or 0)
    except CycloptsError as error:
        command = " ".join(["legitmark", *(error.command_chain or ())])
        complain(f"{error} See {command} --help")
        return WRONG_USAGE


def _flush() -> None:
    stdout = sys.stdout
    if stdout is None:
        return
    try:
        stdout.flush()
    except OSError:
        # Told already, if it is to be told. Python would try again at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
