"""`legitmark create-many`: the rows, and what is told of them."""

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from served_sandbox import ledger_of

from legitmark_async.testing import BAG, CROSSBODY

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Serve = Callable[..., Mapping[str, str]]

HEADER = "reference_id,category,type,note\n"


def row(reference_id: str, note: str = "") -> str:
    """A line of CSV."""
    return f"{reference_id},{BAG},{CROSSBODY},{note}\n"


def obj(reference_id: str, **more: object) -> str:
    """A line of JSON Lines."""
    return json.dumps({"reference_id": reference_id, "category": BAG, "type": CROSSBODY, **more}) + "\n"


def read(text: str) -> dict[int, dict[str, Any]]:
    """The outcomes by their line in the input."""
    outcomes = [json.loads(line) for line in text.splitlines()]
    return {outcome["line"]: outcome for outcome in outcomes}


def test_csv(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """Each row of a CSV file gets an object with its ids, its line and its other columns."""
    file = tmp_path / "items.csv"
    file.write_text(HEADER + row("C-1", "größer") + row("C-2"))

    done = legitmark("create-many", file, **sandbox)

    outcomes = read(done.stdout)
    assert done.returncode == 0
    assert list(outcomes[2]) == ["reference_id", "status", "uuid", "micro_id", "error", "extra", "line"]
    assert outcomes[2] | {"uuid": 0, "micro_id": 0} == {
        "reference_id": "C-1", "status": "created", "uuid": 0, "micro_id": 0, "error": None,
        "extra": {"note": "größer"}, "line": 2,
    }  # fmt: skip
    assert len(outcomes[3]["uuid"]) == 36
    assert "größer" in done.stdout
    assert done.stderr.startswith("2 created, 0 failed, 0 unknown, 0 skipped, 0 refused, in ")
    assert done.stderr.count("\n") == 1


def test_bom_and_crlf(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """A file as Excel writes it is read like any other."""
    file = tmp_path / "excel.csv"
    file.write_bytes(("\ufeff" + HEADER + row("X-1", "ä") + row("X-2")).replace("\n", "\r\n").encode())

    done = legitmark("create-many", file, **sandbox)

    assert done.returncode == 0
    assert {line: outcome["reference_id"] for line, outcome in read(done.stdout).items()} == {2: "X-1", 3: "X-2"}


def test_nested_deeply(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """However deep a row is nested, it stops neither the run nor its neighbours."""
    file = tmp_path / "deep.jsonl"
    rows = [f'{obj(f"D-{depth}")[:-2]}, "deep": {"[" * depth}{"]" * depth}}}\n' for depth in range(900, 1000)]
    file.write_text("".join(rows))

    done = legitmark("create-many", file, **sandbox)

    lines = [int(line.rpartition('"line": ')[2].rstrip("}")) for line in done.stdout.splitlines()]
    assert sorted(lines) == list(range(1, 101))
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("form", ["{}", "\ufeff{}"])
def test_json_lines(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path, form: str) -> None:
    """Each object of a JSON Lines file gets an object; unknown keys come back as they were."""
    file = tmp_path / "items.jsonl"
    file.write_text(form.format(obj("J-1", price=1.5, tags=["a"]) + "\n" + obj("J-2")))

    done = legitmark("create-many", file, "--ordered", **sandbox)

    outcomes = read(done.stdout)
    assert done.returncode == 0
    assert list(outcomes) == [1, 3]
    assert outcomes[1]["extra"] == {"price": 1.5, "tags": ["a"]}


@pytest.mark.parametrize("text", [HEADER + row("S-1"), obj("S-1"), "\n  " + obj("S-1"), "\ufeff" + obj("S-1")])
def test_stdin(legitmark: Run, sandbox: Mapping[str, str], text: str) -> None:
    """`-` is stdin, and its first character tells the format."""
    done = legitmark("create-many", "-", stdin=text, **sandbox)

    assert done.returncode == 0
    assert [outcome["status"] for outcome in read(done.stdout).values()] == ["created"]


def test_format_option(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """`--format` goes before suffix and sniffing; without a suffix the content tells."""
    file = tmp_path / "items.csv"
    file.write_text(obj("F-1"))
    bare = tmp_path / "items"
    bare.write_text(obj("F-1"))

    by_option = legitmark("create-many", file, "--format", "jsonl", **sandbox)
    by_content = legitmark("create-many", bare, **sandbox)

    assert (by_option.returncode, by_content.returncode) == (0, 0)


def test_no_rows(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """An input without rows is done at once."""
    done = legitmark("create-many", "-", stdin=HEADER, **sandbox)

    assert (done.returncode, done.stdout) == (0, "")


def test_names_anywhere(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """Rows may hold names wherever they stand in a file; without a key a dry run says that it can't look them up."""
    file = tmp_path / "items.csv"
    file.write_text(HEADER + "".join(row(f"U-{number}") for number in range(150)) + "N-1,bag,crossbody,\n")

    dry, done = legitmark("create-many", file, "--dry-run"), legitmark("create-many", file, "--ordered", **sandbox)

    assert dry.returncode == 1
    assert "names were not looked up: LEGITMARK_API_KEY is not set" in dry.stderr
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1])["status"] == "created"


def test_bad_rows_fail_alone(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """A bad row names file, line, field and value; a repeated reference is skipped; the others are created."""
    file = tmp_path / "items.csv"
    file.write_text(
        f"{HEADER}{row('G-1')}G-2,Bagg,{CROSSBODY},\n,{BAG},{CROSSBODY},\n{row('G-1')}a,b,c,d,e\n{row('G-3')}"
    )

    done = legitmark("create-many", file, **sandbox)

    outcomes = read(done.stdout)
    assert done.returncode == 1
    assert {line: outcome["status"] for line, outcome in outcomes.items()} == {
        2: "created", 3: "failed", 4: "failed", 5: "skipped", 6: "failed", 7: "created",
    }  # fmt: skip
    assert f"{file}:3: item.category: 'Bagg' is none of the categories; did you mean 'Bag'?" in outcomes[3]["error"]
    assert f"{file}:4: reference_id: is empty" in outcomes[4]["error"]
    assert outcomes[5]["error"] == "its reference_id was in the input before"
    assert f"{file}:6: has 5 cells" in outcomes[6]["error"]


def test_bytes_and_numbers_that_json_does_not_have(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """A lone surrogate is written as its escape and NaN as null: every line can be read by anybody."""
    file = tmp_path / "items.jsonl"
    file.write_text(obj("N-1", odd="\ud800", ratio=float("nan")) + "{broken\n" + '{"reference_id": "\\ud801"}\n')

    done = legitmark("create-many", file, **sandbox)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    outcomes = {o["line"]: o for o in (json.loads(line, parse_constant=refuse) for line in done.stdout.splitlines())}
    assert done.returncode == 1
    assert outcomes[1]["extra"] == {"odd": "\ud800", "ratio": None}
    assert f"{file}:2: is not JSON" in outcomes[2]["error"]
    assert outcomes[3]["status"] == "failed"


def test_wrong_files(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """A file that isn't there, is a directory or lacks a column is told in one line, with exit status 2."""
    lacking = tmp_path / "lacking.csv"
    lacking.write_text("reference_id,category,kind\n")

    for file, told in [
        (tmp_path / "nowhere.csv", f"can't read '{tmp_path / 'nowhere.csv'}': No such file or directory"),
        (tmp_path / "nowhere", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (lacking, f"{lacking}:1: the header has no column 'type'; it has 'reference_id', 'category', 'kind'"),
    ]:
        done = legitmark("create-many", file, **sandbox)

        assert (done.returncode, done.stdout) == (2, "")
        assert told in done.stderr
        assert done.stderr.count("\n") == 1


def test_stdin_without_a_column(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """A stream that lacks a column is told the same way."""
    done = legitmark("create-many", "-", stdin="reference_id,kind\nR,K\n", **sandbox)

    assert (done.returncode, done.stdout) == (2, "")
    assert "<stdin>:1: the header has no column 'category', 'type'" in done.stderr


def test_key_missing_or_refused(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """Without a key it ends with 2; a key that is refused stops the run, with 3, after few rows."""
    file = tmp_path / "items.csv"
    file.write_text(HEADER + "".join(row(f"K-{number}") for number in range(500)))
    around = {"LEGITMARK_BASE_URL": sandbox["LEGITMARK_BASE_URL"]}

    missing = legitmark("create-many", file, **around)
    refused = legitmark("create-many", file, LEGITMARK_API_KEY="leo_wrong", **around)

    assert (missing.returncode, missing.stdout) == (2, "")
    assert refused.returncode == 3
    assert refused.stderr.startswith("stopped (POST /api/v2/sr answered 403: Invalid or expired API key): 0 created")
    assert 0 < len(refused.stdout.splitlines()) < 500


def test_max_failures(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """Too many failures stop the run; some were created, so the exit status is 1."""
    text = HEADER + row("M-0") + "".join(f"M-{number},Bagg,Tote,\n" for number in range(1, 400))

    by_number = legitmark("create-many", "-", "--max-failures", "3", "--concurrency", "1", stdin=text, **sandbox)
    by_share = legitmark("create-many", "-", "--max-failures", "50%", "--concurrency", "1", stdin=text, **sandbox)
    wrong = legitmark("create-many", "-", "--max-failures", "some", stdin=text, **sandbox)

    assert (by_number.returncode, len(by_number.stdout.splitlines())) == (1, 5)
    assert by_number.stderr.startswith("stopped (4 of 5 failed, more than max_failures allows): 1 created, 4 failed")
    assert (by_share.returncode, len(by_share.stdout.splitlines())) == (1, 100)
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_all_may_fail(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """A share of 100% never stops, and where nothing was created the exit status is 3."""
    text = HEADER + "".join(f"M-{number},Bagg,Tote,\n" for number in range(150))

    done = legitmark("create-many", "-", "--max-failures", "100%", stdin=text, **sandbox)

    assert (done.returncode, len(done.stdout.splitlines())) == (3, 150)


def test_unknown(legitmark: Run, serve: Serve) -> None:
    """An outcome that isn't known has its status, makes the exit status 1, and is not claimed to have failed."""
    done = legitmark("create-many", "-", stdin=HEADER + row(".."), **serve("--fault", "drop-after=1"))

    assert done.returncode == 1
    assert read(done.stdout)[2]["status"] == "unknown"
    assert "look for the unknown by their reference_id" in done.stderr


def test_out_file(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """`--out` takes the lines, and is overwritten only with --force."""
    file, out = tmp_path / "items.csv", tmp_path / "results.jsonl"
    file.write_text(HEADER + row("O-1"))
    words = ("create-many", file, "--out", out)

    first = legitmark(*words, **sandbox)
    kept = out.read_text()
    second = legitmark(*words, **sandbox)
    still = out.read_text()
    third = legitmark(*words, "--force", **sandbox)

    assert (first.returncode, first.stdout) == (0, "")
    assert read(kept)[2]["status"] == "created"
    assert (second.returncode, still) == (2, kept)
    assert "--force" in second.stderr
    assert third.returncode == 0
    assert out.read_text() != kept


def test_out_that_can_not_be(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """The input itself and a folder that isn't there are refused before any request; a key is asked for first."""
    file = tmp_path / "items.csv"
    file.write_text(HEADER + row("O-2"))

    itself = legitmark("create-many", file, "--out", file, "--force", **sandbox)
    nowhere = legitmark("create-many", file, "--out", tmp_path / "no" / "where", **sandbox)

    assert (itself.returncode, nowhere.returncode) == (2, 2)
    assert "is the input itself" in itself.stderr
    assert "No such file or directory" in nowhere.stderr
    assert file.read_text() == HEADER + row("O-2")


def test_disk_full(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """If an outcome can't be written the run stops, and both are told."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here: run it on Linux")

    done = legitmark("create-many", "-", "--out", "/dev/full", stdin=HEADER + row("D-1"), **sandbox)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == "outcomes that could not be written: 1"
    assert done.stderr.splitlines()[1].startswith("stopped (/dev/full: No space left on device): 1 created")


def test_dry_run(legitmark: Run, tmp_path: Path) -> None:
    """Without a key every bad row is told as a run would, then a count and the time the run takes at least."""
    file = tmp_path / "items.csv"
    file.write_text(HEADER + "".join(row(f"T-{number}") for number in range(5)) + "T-5,Bag,,\n" + row("T-0"))

    done = legitmark("create-many", file, "--dry-run", "--limit", "2", "--window", "30")

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [(line["line"], line["status"]) for line in lines[:-1]] == [(7, "failed"), (8, "skipped")]
    assert f"{file}:7: item.category: 'Bag' is not a UUID; item.type: is empty" in lines[0]["error"]
    assert list(lines[-1].items()) == [
        ("items", 7), ("valid", 5), ("invalid", 1), ("duplicates", 1), ("predicted_seconds", 60.0),
    ]  # fmt: skip


def test_dry_run_of_uuids(legitmark: Run) -> None:
    """Where nothing has to be looked up nothing is missing without a key."""
    done = legitmark("create-many", "-", "--dry-run", stdin=obj("T-1"))

    assert (done.returncode, json.loads(done.stdout)["valid"]) == (0, 1)
    assert "names were not looked up" not in done.stderr


def test_dry_run_of_a_good_file(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """A good input gives exit status 0, no prediction without a limit, and no request."""
    before = ledger_of(sandbox)["requests"]

    done = legitmark("create-many", "-", "--dry-run", stdin=obj("T-1"), **sandbox)

    assert done.returncode == 0
    assert json.loads(done.stdout)["predicted_seconds"] is None
    assert ledger_of(sandbox)["requests"] == before
