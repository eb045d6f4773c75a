"""Every check of the project; `nox -l` lists them.

`nox -s tests` comes first: it builds the wheel, installs it and runs the tests against it on this Python. `nox -s
tests-all` does that on every supported Python.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2026.10.20"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = True
nox.options.reuse_existing_virtualenvs = False
nox.options.sessions = ["tests-all", "lint", "imports", "types", "docs", "package", "contract", "floors"]

ROOT = Path(__file__).parent
PACKAGE = "legitmark_async"
PLUGIN = "_legitmark_pytestplugin.py"
CONSTRAINTS = str(ROOT / "tests" / "constraints.txt")
FLOORS = str(ROOT / "tests" / "floors.txt")
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
SUPPORTED = nox.project.python_versions(PYPROJECT)

# Most tests wait, for a process or for a window to pass: so their files run beside each other.
_BESIDE = ("--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile")

# No interpreter is downloaded: what is tested is what is there.
os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")


def _pyenv_versions() -> None:
    """Let pyenv's shims find all versions it has, not only the chosen one."""
    pyenv = shutil.which("pyenv")
    if pyenv and "PYENV_VERSION" not in os.environ:
        names = subprocess.run([pyenv, "versions", "--bare"], capture_output=True, text=True, check=False)  # noqa: S603  # pyenv itself
        os.environ["PYENV_VERSION"] = ":".join(names.stdout.split())


def _runs(version: str) -> bool:
    python = shutil.which(f"python{version}")
    if python is None:
        return False
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0  # noqa: S603  # a Python


_pyenv_versions()
TESTED = [version for version in SUPPORTED if _runs(version)] or SUPPORTED[:1]


def _install(session: nox.Session, *groups: str, package: str = "", versions: str = CONSTRAINTS) -> None:
    """Install dependency groups, and the package with extras, at the versions of a file."""
    wanted = nox.project.dependency_groups(PYPROJECT, *groups)
    if package:
        wanted = (package, *wanted)
    session.install("--constraint", versions, *wanted)


def _wheel(session: nox.Session) -> str:
    """Build the wheel, as a user's pip would."""
    folder = Path(session.create_tmp()) / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    session.install("build")
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT), silent=True)
    return str(next(folder.glob("*.whl")))


@nox.session(default=False)
def tests(session: nox.Session) -> None:
    """Run the tests against the built wheel, on this Python and without optional speed-ups."""
    _test(session, "-o", "asyncio_debug=false", speed=False)


@nox.session(python=TESTED, name="tests-all")
def tests_all(session: nox.Session) -> None:
    """Run the tests on every supported Python, the slow ones on the newest alone.

    The oldest has no optional speed-ups. Asyncio's debug mode, which doubles the work, is for the Pythons in between
    if there are any.
    """
    between = TESTED[1:-1]
    slow = ("--slow",) if session.python == TESTED[-1] else ()
    debug = not between or session.python in between
    _test(session, *slow, "-o", f"asyncio_debug={str(debug).lower()}", speed=session.python != TESTED[0])


@nox.session(python=TESTED[:1])
def floors(session: nox.Session) -> None:
    """Run the tests with the oldest dependencies that the package allows, on the oldest Python."""
    _test(session, "-o", "asyncio_debug=false", speed=True, versions=FLOORS)


@nox.session(python=TESTED[-1:], default=False)
def coverage(session: nox.Session) -> None:
    """Run the tests on the newest Python, and tell which branches none of them takes."""
    session.env["COVERAGE_FILE"] = str(Path(session.create_tmp()) / "coverage")
    _test(session, "--slow", "-o", "asyncio_debug=false", "--cov", "--cov-report=term", speed=True)


def _test(session: nox.Session, *options: str, speed: bool, versions: str = CONSTRAINTS) -> None:
    extras = "cli,distributed,otel,testing" + (",speed" if speed else "")
    _install(session, "test", package=f"{_wheel(session)}[{extras}]", versions=versions)
    # In a flat layout the tests would import the working tree, not the wheel.
    session.env["PYTHONSAFEPATH"] = "1"
    session.run("pytest", "--durations=20", *_BESIDE, *options, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    _install(session, "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def imports(session: nox.Session) -> None:
    """Check that imports point down."""
    _install(session, "imports", package=".[cli]")
    session.run("lint-imports", "--no-cache")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types inside, and that every public name has one."""
    _install(session, "types", package=f"{_wheel(session)}[cli,distributed,otel,speed,testing]")
    session.run("mypy", PACKAGE, PLUGIN, "tests", "noxfile.py")
    session.run("pyright", PACKAGE, PLUGIN)
    # Outside the tree, so that it is the installed package that is looked at.
    outside = Path(session.create_tmp()) / "typing"
    shutil.copytree(ROOT / "tests" / "typing", outside, dirs_exist_ok=True)
    with session.chdir(outside):
        session.run("mypy", "--strict", "usage.py")
        session.run("pyright", "--project", ".")
        session.run("pyright", "--verifytypes", PACKAGE, "--ignoreexternal")


@nox.session
def package(session: nox.Session) -> None:
    """Build twice, from different checkouts, and see that the same comes out; and that an index would take it.

    A folder that is named gets what was built.
    """
    session.install("build", "twine")
    built = [_built(session, number) for number in range(2)]
    if built[0] != built[1]:
        session.error(f"built twice, it is not the same: {built}")
    session.run("twine", "check", "--strict", *(str(path) for path in _folder(session, 0).iterdir()))
    for target in session.posargs:
        shutil.copytree(_folder(session, 0), ROOT / target, dirs_exist_ok=True)


def _folder(session: nox.Session, number: int) -> Path:
    return Path(session.create_tmp()) / f"dist-{number}"


def _built(session: nox.Session, number: int) -> dict[str, str]:
    """Build sdist and wheel from a copy that has times of its own, and tell their digests."""
    source, folder = Path(session.create_tmp()) / f"source-{number}", _folder(session, number)
    for path in (source, folder):
        shutil.rmtree(path, ignore_errors=True)
    built = shutil.ignore_patterns(".git", ".nox", ".venv*", "__pycache__", "dist", "site")
    shutil.copytree(ROOT, source, copy_function=shutil.copyfile, ignore=built)
    session.run("python", "-m", "build", "--outdir", str(folder), str(source), silent=True)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site; a warning is an error. The command's reference must be what its help says."""
    _install(session, "docs", package=".[cli]")
    session.run("python", "tests/command_reference.py", "--check")
    session.run("zensical", "build", "--clean", "--strict")


@nox.session
def contract(session: nox.Session) -> None:
    """Hold the sandbox against the API's description."""
    session.install(".", *nox.project.dependency_groups(PYPROJECT, "contract"))
    schemathesis = str(Path(session.bin) / "schemathesis")
    options = ("--checks=all", "--max-examples=100", "--generation-deterministic", "--no-color")
    session.run("python", "tests/contract/run.py", schemathesis, *options)


@nox.session(default=False)
def benchmarks(session: nox.Session) -> None:
    """Measure imports, CPU, other clients, runs under limits, memory, journals, faults, photos and jobs."""
    session.install(".[cli,speed,distributed]", "httpx", "openai", "opentelemetry-sdk", "pytest", "requests")
    session.env["PYTHONPATH"] = "tests"
    for name, *arguments in (
        ("imports",),
        ("others", "--write", "docs/figures.md"),
        ("create_cpu",),
        ("telemetry_cpu",),
        ("pacer_cpu",),
        ("rate_limited",),
        ("race", "--creates", "2500"),
        ("pictures",),
        ("memory",),
        ("journal",),
        ("faults",),
        ("uploads",),
        ("workflow",),
        ("machines", "race"),
        ("machines", "memory"),
    ):
        session.run("python", f"tests/benchmarks/{name}.py", *arguments)


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Let a client work for ten minutes under limits and faults, and see that it keeps nothing."""
    session.install(".[cli,speed,testing]")
    session.run("python", "tests/benchmarks/soak.py", *session.posargs)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Feed what reads from outside with made up bytes, a minute each, or as the options of libFuzzer say."""
    session.install(".[testing]", "atheris")
    options = session.posargs or ["-max_total_time=60"]
    for target in ("headers", "envelopes", "webhooks", "photos"):
        corpus = Path(session.create_tmp()) / target
        corpus.mkdir(exist_ok=True)
        with session.chdir(corpus.parent):
            session.run("python", str(ROOT / "tests" / "fuzz" / "fuzz.py"), target, *options, str(corpus))


@nox.session(python=TESTED[-1:], default=False)
def mutants(session: nox.Session) -> None:
    """Change the code in one place at a time, and tell which changes no test notices; `--part pacer` is for a part."""
    _install(session, "test", package=".[cli,distributed,otel,speed,testing]")
    session.install("mutmut>=3.8")
    session.run("python", "tests/mutants.py", *session.posargs, str(Path(session.create_tmp()) / "mutants"))


@nox.session(default=False)
def constraints(session: nox.Session) -> None:
    """Write the versions that the checks use; no address of any index is among them."""
    session.install("uv")
    for file, resolution, *groups in (
        (CONSTRAINTS, "highest", "test", "lint", "imports", "types", "docs"),
        (FLOORS, "lowest-direct", "test"),
    ):
        session.run(
            *("uv", "pip", "compile", "pyproject.toml"),
            *(f"--extra={name}" for name in ("cli", "distributed", "otel", "speed", "testing")),
            *(f"--group={name}" for name in groups),
            *("--universal", "--python-version", SUPPORTED[0], "--no-header", "--no-annotate", "--upgrade"),
            *("--resolution", resolution, "--output-file", file, "--quiet"),
        )
