"""The command `legitmark`.

JSON goes to stdout, words and progress to stderr. It needs the extra `cli`, and uses of the package only what users
can import. Each command stands in a module of its own, which is imported when the command is run: `--help` is fast.
"""

import importlib
import sys

__all__ = ["main"]

_EXTRA = {"cyclopts", "rich"}
_WRONG_USAGE = 2


def main() -> None:
    """Run the command that the command line asks for, and exit with its status."""
    try:
        app = importlib.import_module("legitmark_async.cli._app")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        sys.stderr.write(f"legitmark: the command needs {error.name}: pip install 'legitmark-async[cli]'\n")
        sys.exit(_WRONG_USAGE)
    sys.exit(app.run(sys.argv[1:]))
