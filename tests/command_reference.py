"""Write the reference of the command from its own help; with `--check`, tell whether that was done.

python tests/command_reference.py [--check]
"""

import re
import sys
from pathlib import Path

from legitmark_async.cli._app import app

_PAGE = Path(__file__).parents[1] / "docs" / "reference" / "command.md"
_HEAD = """\
# Command

<!-- Written by tests/command_reference.py from the command's help: change it there. -->

What `legitmark COMMAND --help` tells. What the commands read and write, exit statuses and examples:
[use the command](../how-to/command.md).

"""
# The page has a table of contents anyway.
_CONTENTS = re.compile(r"## Table of Contents\n.*?(?=\*\*)", re.DOTALL)


def _page() -> str:
    # A console block is what a reader may type; a usage line isn't.
    text = app.generate_docs(heading_level=2, flatten_commands=True).replace("```console", "```text")
    return _HEAD + _CONTENTS.sub("", text).strip() + "\n"


def _main() -> str | None:
    if "--check" not in sys.argv:
        _PAGE.write_text(_page(), encoding="utf-8")
    elif _PAGE.read_text(encoding="utf-8") != _page():
        return f"{_PAGE.name} isn't what the command's help says: run {Path(__file__).name}"
    return None


if __name__ == "__main__":
    sys.exit(_main())
