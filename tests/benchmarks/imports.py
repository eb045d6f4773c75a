"""Time that imports take, and the help of the command, against aiohttp's and an empty command's in the same run.

Whole processes, in turn; the medians of the rounds are compared, less the time of an interpreter that does nothing.

    python tests/benchmarks/imports.py [--rounds 15]
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

_EMPTY = """
from cyclopts import App

app = App(name="empty")

@app.default
def main() -> None:
    "Do nothing."

app(["--help"])
"""
_HELP = """
import sys

from legitmark_async.cli import main

sys.argv = ["legitmark", "--help"]
main()
"""
CODE = {
    "nothing": "",
    "import aiohttp": "import aiohttp",
    "import legitmark_async": "import legitmark_async",
    "from legitmark_async import Legitmark": "from legitmark_async import Legitmark",
    "an empty command --help": _EMPTY,
    "legitmark --help": _HELP,
}
AGAINST = {
    "import legitmark_async": "import aiohttp",
    "from legitmark_async import Legitmark": "import aiohttp",
    "legitmark --help": "an empty command --help",
}


def seconds(code: str) -> float:
    """Run code in a process of its own."""
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)  # noqa: S603  # the code above
    return time.perf_counter() - before


def main() -> None:
    """Run it, and print the table and a JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    figures: dict[str, list[float]] = {name: [] for name in CODE}
    for _ in range(rounds):
        for name, code in CODE.items():
            figures[name].append(seconds(code))
    median = {name: statistics.median(every) for name, every in figures.items()}
    ratios: dict[str, float] = {}
    for name, whole in median.items():
        sys.stdout.write(f"{name:40} {whole * 1e3:7.1f} ms")
        if name in AGAINST:
            ratios[name] = round((whole - median["nothing"]) / (median[AGAINST[name]] - median["nothing"]), 3)
            sys.stdout.write(f"   {ratios[name]:.2f} of {AGAINST[name]}")
        sys.stdout.write("\n")
    sys.stdout.write(json.dumps(ratios) + "\n")


if __name__ == "__main__":
    main()
