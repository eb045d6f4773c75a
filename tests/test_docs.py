"""Every example of the README and the docs runs, as it stands there, against a sandbox; and every link leads somewhere.

- A ```` ```python ```` block runs in the namespace of its page, with `await` allowed outside functions. One with a
  `title`, like a `csv` or `toml` block with one, is written to that file instead, for the commands of the page. One
  in a comment, `<!--- invisible-code: python`, checks what the page needn't show.
- The `$` lines of a ```` ```console ```` block run in a shell's way: `legitmark`, `python` and `python -m pytest` as
  processes, `export` for those that follow. The exit status is 0, or else the number below an `echo $?` that follows.
  The lines of JSON below a command must have the keys of the lines that it printed.
- `legitmark sandbox` runs until the page ends, on a free port instead of the one it names; and so does `legitmark
  worker`. A page that names RabbitMQ has one of its own, and a Redis.
- A ```` ```sh ```` block shows what sets things up, so it is only parsed.
"""

import ast
import asyncio
import contextlib
import html
import importlib
import inspect
import itertools
import json
import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import CodeType

import pytest
from local_servers import RabbitServer, RedisServer
from sybil import Document, Example, Region
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, RawFencedCodeBlockLexer

import legitmark_async
from legitmark_async.cli._app import app
from legitmark_async.sandbox import Sandbox
from legitmark_async.testing import environment_of, serve_in_thread

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

_SECONDS = 20.0
_BLOCK = re.compile(r'(?P<language>python|console|sh|csv|toml)(?: title="(?P<title>[^"]+)")?[ \t]*\n')
_FENCES = re.compile(r"^(?P<fence>`{3,}).*?^(?P=fence)$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)
_NAV = re.compile(r"^ +- [^#\n]*: (?P<page>\S+\.md)$", re.MULTILINE)
_API = re.compile(r"^::: (?P<name>[\w.]+)$", re.MULTILINE)
# Beside the one on top, those whose names are all in the reference.
_PACKAGES = ("distributed", "sandbox", "testing", "webhooks")
# Where servers usually are, as the pages have it.
_SERVERS = {
    "LEGITMARK_AMQP_URL": "amqp://guest:guest@127.0.0.1:5672/",
    "LEGITMARK_REDIS_URL": "redis://127.0.0.1:6379/0",
}
_COMMAND = (sys.executable, "-m", "legitmark_async")

Environment = dict[str, str]


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox in a thread of its own, so that examples may run event loops of theirs."""
    with serve_in_thread() as sandbox:
        yield sandbox


@pytest.fixture
def _same_log_level() -> Iterator[None]:
    """Set back what an example on logging sets."""
    logger = logging.getLogger("legitmark_async")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """What is around an example: an empty folder, and the sandbox in the environment."""
    sandbox.reset()
    monkeypatch.chdir(tmp_path)
    for name, value in environment_of(sandbox).items():
        monkeypatch.setenv(name, value)
    package = Path(legitmark_async.__file__).parents[1]
    ours = {"PYTHONPATH": str(package), "PYTHONASYNCIODEBUG": "1", "PYTHONWARNINGS": "error", "COLUMNS": "80"}
    return {**os.environ, **ours}


class _Page:
    """Evaluates the examples of one page, one after the other."""

    def __init__(self, environment: Environment, runner: asyncio.Runner, stack: contextlib.ExitStack) -> None:
        self._environment = environment
        self._runner = runner
        self._stack = stack
        self._real_port = {usual: environment[name] for name, usual in _SERVERS.items() if name in environment}

    def python(self, example: Example) -> None:
        source = "\n" * (example.line + example.parsed.line_offset) + example.parsed
        code = compile(source, example.path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        if code.co_flags & inspect.CO_COROUTINE:
            self._runner.run(self._evaluate(code, example))
        else:
            exec(code, example.namespace)  # noqa: S102  # that is what examples are for

    async def _evaluate(self, code: CodeType, example: Example) -> None:
        await eval(code, example.namespace)  # noqa: S307  # the same

    def console(self, example: Example) -> None:
        commands = list(_commands(example.parsed))
        following = [*commands[1:], ("", [])]
        for (command, shown), (after, told) in zip(commands, following, strict=True):
            words = shlex.split(command)
            if words[0] == "export":
                self._export(words[1])
            elif words[:2] == ["legitmark", "sandbox"]:
                self._serve(words[1:], shown)
            elif words[:2] == ["legitmark", "worker"]:
                self._begin(words[1:])
            elif command != "echo $?":
                self._run(words, shown, status=int(told[0]) if after == "echo $?" else 0)

    def _export(self, assignment: str) -> None:
        name, _, value = assignment.partition("=")
        value = self._real_port.get(value, value)
        assert self._environment[name] == value, f"{name} should be {self._environment[name]}"

    def _begin(self, words: list[str]) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        process = self._stack.enter_context(
            subprocess.Popen([*_COMMAND, *words], env=self._environment, stdout=pipe, stderr=pipe)  # noqa: S603  # our own command
        )
        self._stack.callback(process.terminate)
        return process

    def _serve(self, words: list[str], shown: list[str]) -> None:
        process = self._begin([*words, "--port", "0"])
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        example = json.loads(shown[0])
        assert (told.keys(), told["api_key"]) == (example.keys(), example["api_key"])
        self._real_port |= {example[name]: told[name] for name in ("url", "asset_url")}
        self._environment |= {
            "LEGITMARK_BASE_URL": told["url"],
            "LEGITMARK_API_KEY": told["api_key"],
            "LEGITMARK_ASSET_URL": told["asset_url"],
        }

    def _run(self, words: list[str], shown: list[str], *, status: int) -> None:
        assert words[0] in {"legitmark", "python"}, f"can't run {words[0]!r}"
        program = _COMMAND if words[0] == "legitmark" else (sys.executable,)
        done = subprocess.run(  # noqa: S603  # our own command, or our own example
            [*program, *words[1:]],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        lines = done.stdout.splitlines()
        for line, example in zip(lines, shown, strict=False):
            assert json.loads(line).keys() == json.loads(example).keys()
        assert len(lines) >= len(shown), done.stderr

    def sh(self, example: Example) -> None:
        for line in example.parsed.splitlines():
            for command in line.split("&&"):
                words = shlex.split(command)
                assert words, "an empty command"
                if words[0] == "legitmark":
                    app.parse_args(words[1:], exit_on_error=False, print_error=False)


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Split a console block into commands, each with the lines shown below it."""
    for block in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, *shown = block.strip().splitlines()
        yield command, shown


def _write(example: Example) -> None:
    Path(example.region.lexemes["title"]).write_text(example.parsed, encoding="utf-8")


def _parser(page: _Page) -> Callable[[Document], Iterable[Region]]:
    """Return a Sybil parser for the languages of the page."""
    evaluators: dict[str, Callable[[Example], None]] = {
        "python": page.python,
        "console": page.console,
        "sh": page.sh,
    }
    visible = RawFencedCodeBlockLexer(_BLOCK)
    invisible = DirectiveInHTMLCommentLexer("invisible-code", mapping={"arguments": "language", "source": "source"})

    def parse(document: Document) -> Iterator[Region]:
        document.namespace["__name__"] = Path(document.path).stem
        for region in itertools.chain(visible(document), invisible(document)):
            region.parsed = region.lexemes["source"]
            region.evaluator = _write if region.lexemes.get("title") else evaluators.get(region.lexemes["language"])
            if region.evaluator is not None:
                yield region

    return parse


def _start_servers(folder: Path, stack: contextlib.ExitStack, monkeypatch: pytest.MonkeyPatch) -> Environment:
    rabbit, redis = RabbitServer(folder), RedisServer(folder, durable=True)
    for server in (rabbit, redis):
        server.start()
        stack.callback(server.stop)
    urls = dict(zip(_SERVERS, (rabbit.url, redis.url), strict=True))
    for name, url in urls.items():
        monkeypatch.setenv(name, url)
    return urls


@pytest.mark.usefixtures("_same_log_level")
@pytest.mark.parametrize("path", PAGES, ids=_named)
def test_examples_run(
    path: Path, environment: Environment, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples of a page run, one after the other."""
    with contextlib.ExitStack() as stack, asyncio.Runner(debug=True) as runner:
        if "export LEGITMARK_AMQP_URL" in path.read_text(encoding="utf-8"):
            environment |= _start_servers(tmp_path_factory.mktemp("servers"), stack, monkeypatch)
        page = _Page(environment, runner, stack)

        for example in Document.parse(str(path), _parser(page)):
            example.evaluate()


def test_there_are_examples() -> None:
    """The fences are found: the README has the three blocks that it is known to have."""
    found = [_BLOCK.search(fence[0]) for fence in _FENCES.finditer(PAGES[0].read_text(encoding="utf-8"))]

    assert [match and match["language"] for match in found] == ["python", "sh", "sh"]


def _prose(path: Path) -> str:
    return _FENCES.sub("", path.read_text(encoding="utf-8"))


def _anchors(path: Path) -> set[str]:
    """Return the anchors of a page, as the site makes them."""
    counts: dict[str, Iterator[int]] = {}
    anchors: set[str] = set()
    for heading in _HEADING.finditer(_prose(path)):
        text = re.sub(r"[^\w\s-]", "", html.unescape(heading["text"])).strip().lower()
        slug = re.sub(r"[-\s]+", "-", text)
        number = next(counts.setdefault(slug, itertools.count()))
        anchors.add(f"{slug}_{number}" if number else slug)
    return anchors


@pytest.mark.parametrize("path", PAGES, ids=_named)
def test_links_lead_somewhere(path: Path) -> None:
    """A link to a file of the project leads to one that is there, and to a heading in it."""
    for link in _LINK.finditer(_prose(path)):
        target, _, anchor = link["target"].partition("#")
        if "://" in target:
            continue
        linked = (path.parent / target).resolve() if target else path
        assert linked.is_file(), f"{target} is not there"
        assert not anchor or anchor in _anchors(linked), f"{link['target']}: no such heading"


def test_nav_has_every_page() -> None:
    """The site's navigation and the folder have the same pages."""
    nav = [entry["page"] for entry in _NAV.finditer((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))]

    assert sorted(nav) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES[1:])


def _reference() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "reference").glob("*.md"))


def _referred() -> set[str]:
    return {name["name"] for name in _API.finditer(_reference())}


def _resolve(name: str) -> object:
    with contextlib.suppress(ModuleNotFoundError):
        return importlib.import_module(name)
    owner, _, attribute = name.rpartition(".")
    return getattr(_resolve(owner), attribute)


def test_reference_names_exist() -> None:
    """What the reference says is made from a docstring has one."""
    for name in _referred():
        assert inspect.getdoc(_resolve(name)), f"{name} has no docstring"


@pytest.mark.parametrize("module", ["legitmark_async", *(f"legitmark_async.{name}" for name in _PACKAGES)])
def test_reference_is_complete(module: str) -> None:
    """Every public name has its place in the reference: by its docstring, or in a sentence or table there."""
    told = {name.rpartition(".")[2] for name in _referred()}
    told.update(re.findall(r"`(\w+)`", _reference()))

    assert set(importlib.import_module(module).__all__) <= told


def test_coverage() -> None:
    """Each row of the table of what is covered names tests, and they are there."""
    table = (DOCS / "reference" / "coverage.md").read_text(encoding="utf-8")
    rows = [line.split("|")[-2] for line in table.splitlines() if line.startswith("| ") and "---" not in line]
    named = [re.findall(r"`([^`]+)`", cell) for cell in rows if cell.strip() != "tests"]

    assert len(named) > 20
    assert all(named)
    assert not {name for names in named for name in names if not (ROOT / "tests" / name).exists()}
