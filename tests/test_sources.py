"""Files of drafts: what is read from them, and what is told of rows that can't be."""

import contextlib
import gc
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legitmark_async.bulk import Row, read_csv, read_jsonl
from legitmark_async.errors import ConfigurationError
from legitmark_async.models import Item, ServiceRequestDraft
from legitmark_async.testing import BAG, CROSSBODY

LUXURY = "31670fe9-9272-11ef-b98d-06fb0f2a63e5"
ITEM = Item(BAG, CROSSBODY)
HEADER = "reference_id,category,type"
ROW = f"{BAG},{CROSSBODY}"
OBJECT = {"reference_id": "A", "category": BAG, "type": CROSSBODY}

Read = Callable[..., Iterator[ServiceRequestDraft]]


@pytest.fixture(autouse=True)
def here(tmp_path: Path) -> Iterator[Path]:
    """A directory of its own for each test, so that names in messages are short, and no file left open behind it."""
    with contextlib.chdir(tmp_path):
        yield tmp_path
    # A file that was left open is told now, as a ResourceWarning, which is an error.
    gc.collect()


def csv_file(content: str | bytes) -> str:
    """The name of a CSV file that holds this."""
    Path("items.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return "items.csv"


def jsonl_file(*lines: object) -> str:
    """The name of a file that holds these, a line each."""
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    Path("items.jsonl").write_bytes(b"".join(text + b"\n" for text in texts))
    return "items.jsonl"


def told(drafts: Iterator[ServiceRequestDraft]) -> list[str]:
    """Of each draft, what is wrong with it, or else its place and reference."""
    return [
        f"{draft.origin}: {'; '.join(draft.problems())}" if draft.problems() else f"{draft.origin} {draft.reference_id}"
        for draft in drafts
    ]


def extra(draft: ServiceRequestDraft) -> object:
    """What the row held that is no part of the draft."""
    assert isinstance(draft.origin, Row)
    return draft.origin.extra


def test_csv() -> None:
    """Each row of a CSV file is a draft, with all the columns that a draft has."""
    path = csv_file(f"{HEADER},service,brand,model\nA,{ROW},{LUXURY},{BAG},{CROSSBODY}\nB,{ROW},,,\n")

    assert list(read_csv(path)) == [
        ServiceRequestDraft("A", Item(BAG, CROSSBODY, BAG, CROSSBODY), LUXURY),
        ServiceRequestDraft("B", ITEM),
    ]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"{HEADER}\nA,{ROW}\n".encode(), id="plain"),
        pytest.param(f"\ufeff{HEADER}\nA,{ROW}\n".encode(), id="byte order mark"),
        pytest.param(f"{HEADER}\r\nA,{ROW}\r\n".encode(), id="crlf"),
        pytest.param(f"{HEADER}\rA,{ROW}\r".encode(), id="cr"),
        pytest.param(f"{HEADER}\nA,{ROW}".encode(), id="no line end"),
        pytest.param(f" reference_id , category, type\nA, {BAG} ,{CROSSBODY}\t\n".encode(), id="spaces around"),
        pytest.param(f"type,reference_id,category\n{CROSSBODY},A,{BAG}\n".encode(), id="another order"),
        pytest.param(f'"reference_id","category","type"\n"A","{BAG}","{CROSSBODY}"\n'.encode(), id="quotes"),
        pytest.param(f"\ufeff{HEADER},service\r\nA,{ROW}, \r\n".encode(), id="blank optional cell"),
        pytest.param(f"{HEADER},service\nA,{ROW}\n".encode(), id="row ends before the optional columns"),
        pytest.param(f"{HEADER},,\nA,{ROW},,\n".encode(), id="columns without a name"),
        pytest.param(f"{HEADER}\nA,{ROW}\n".replace(",", ";").encode(), id="semicolons"),
        pytest.param(f"{HEADER},a;b;c;d;e\nA,{ROW},\n".encode(), id="semicolons in the name of a column"),
        pytest.param(f"\ufeff{HEADER}\r\nA,{ROW}\r\n".replace(",", "\t").encode(), id="tabs"),
    ],
)
def test_csv_forms(content: bytes) -> None:
    """The habits of spreadsheets change nothing."""
    drafts = list(read_csv(csv_file(content)))

    assert drafts == [ServiceRequestDraft("A", ITEM)]
    assert drafts[0].problems() == ()


def test_csv_separators_in_cells() -> None:
    """Where cells are separated by semicolons a comma is one of their characters."""
    category, type_ = ROW.split(",")
    path = csv_file(
        f'{HEADER};price;note\nA;{ROW};1,50;"a;b"\n'.replace(HEADER, HEADER.replace(",", ";")).replace(
            ROW, f"{category};{type_}"
        )
    )

    (draft,) = read_csv(path)

    assert (draft.item, extra(draft)) == (ITEM, {"price": "1,50", "note": "a;b"})


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04\x14\x00", "an Excel workbook or another ZIP"),
        (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
        (f"{HEADER}\n".encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + f"{HEADER}\n".encode("utf-16-be"), "UTF-16"),
    ],
)
def test_csv_that_is_none(content: bytes, what: str) -> None:
    """What a spreadsheet writes that is no text in UTF-8 is told by its name, with what to do."""
    with pytest.raises(ConfigurationError, match=f"^items.csv: is {what}: save it as CSV, in UTF-8$"):
        read_csv(csv_file(content))


def test_csv_reference_is_kept() -> None:
    """A reference is the user's own, so it is kept as it is, with spaces around it, line ends and quotes."""
    path = csv_file(f'{HEADER}\n" a ""b"",\r\nc ",{ROW}\n')

    assert [draft.reference_id for draft in read_csv(path)] == [' a "b",\r\nc ']


def test_csv_lines() -> None:
    """A draft knows the line on which its row begins, blank lines and quoted line ends before it counted."""
    path = csv_file(f'{HEADER}\n\nA,{ROW}\n"B\n\nb",{ROW}\n\n\nC,{ROW}\n')

    assert [str(draft.origin) for draft in read_csv(path)] == ["items.csv:3", "items.csv:4", "items.csv:9"]


def test_csv_unknown_columns() -> None:
    """Columns that are no part of a draft are kept, but not empty cells."""
    path = csv_file(f"shelf,{HEADER},note\n7,A,{ROW},été\n,B,{ROW},\n")

    assert [extra(draft) for draft in read_csv(path)] == [{"shelf": "7", "note": "été"}, {}]


@pytest.mark.parametrize(
    ("header", "message", "problems"),
    [
        pytest.param("", "has no column 'reference_id', 'category', 'type'; it has nothing", None, id="empty"),
        pytest.param("reference_id,type", "has no column 'category'; it has 'reference_id', 'type'", None, id="one"),
        pytest.param(
            "Reference_ID,category,type", "has no column 'reference_id'; it has 'Reference_ID'", None, id="case"
        ),
        pytest.param("reference_id|category|type", "it has 'reference_id|category|type'", None, id="bars"),
        pytest.param(f"{HEADER},type", "has the column 'type' twice", ("type",), id="twice"),
        pytest.param(f"{HEADER},note,note", "has the column 'note' twice", ("note",), id="unknown twice"),
        pytest.param('"reference_id"x,category,type', "is not CSV: ',' expected after '\"'", None, id="bad quotes"),
    ],
)
def test_csv_header(header: str, message: str, problems: tuple[str, ...] | None) -> None:
    """A header that can't be right is told at once, before the first draft."""
    path = csv_file(f"{header}\nA,{ROW}\n" if header else "")

    with pytest.raises(ConfigurationError) as raised:
        read_csv(path)

    assert message in str(raised.value)
    assert str(raised.value).startswith("items.csv:1: ")
    assert problems is None or raised.value.problems == problems


def test_csv_header_no_utf8() -> None:
    """A header that is no UTF-8 is told as well as may be."""
    path = csv_file(b"r\xe9f\xe9rence,category,type\n")

    with pytest.raises(ConfigurationError, match="it has 'r\ufffdf\ufffdrence', 'category', 'type'"):
        read_csv(path)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        pytest.param(f"X,{ROW},more".encode(), "has 4 cells, and the header 3", id="too many cells"),
        pytest.param(b"X", "item.category: is empty, a UUID is needed", id="too few cells"),
        pytest.param(f",{ROW}".encode(), "reference_id: is empty", id="no reference"),
        pytest.param(f" ,{ROW}".encode(), "reference_id: is empty", id="blank reference"),
        pytest.param(f"X,Bag,{CROSSBODY}".encode(), "item.category: 'Bag' is not a UUID", id="name for a uuid"),
        pytest.param(
            f"\xff,{ROW}".encode("latin-1"), r"reference_id: '\udcff' can't be written as UTF-8", id="no utf-8"
        ),
        pytest.param(f"X,\xff,{CROSSBODY}".encode("latin-1"), r"item.category: '\udcff' is not a UUID", id="no uuid"),
        pytest.param(f'"X"y,{ROW}'.encode(), "is not CSV: ',' expected after '\"'", id="bad quotes"),
        pytest.param(b"X" * 200_000, "is not CSV: field larger than field limit (131072)", id="endless cell"),
    ],
)
def test_csv_bad_row(row: bytes, problem: str) -> None:
    """A row that is wrong tells its file and line, and the other rows go on."""
    path = csv_file(b"\n".join([HEADER.encode(), f"A,{ROW}".encode(), row, f"B,{ROW}".encode()]))

    first, bad, last = told(read_csv(path))

    assert (first, last) == ("items.csv:2 A", "items.csv:4 B")
    assert f"items.csv:3: {problem}" in bad


def test_csv_quote_without_end() -> None:
    """A quote that never ends spoils the rows behind it, and is told by the line on which it begins."""
    path = csv_file(f'{HEADER}\nA,{ROW}\n"B,{ROW}\nC,{ROW}\n')

    assert told(read_csv(path)) == ["items.csv:2 A", "items.csv:3: is not CSV: unexpected end of data"]


def test_csv_reference_of_bad_row() -> None:
    """A row that has too many cells still tells its reference."""
    path = csv_file(f"{HEADER}\nX,{ROW},more\n")

    assert [draft.reference_id for draft in read_csv(path)] == ["X"]


def test_csv_extra_no_utf8() -> None:
    """Bytes that are no UTF-8 in a column that is not ours spoil nothing but themselves."""
    path = csv_file(f"{HEADER},note\n".encode() + f"A,{ROW},".encode() + b"caf\xe9\n")

    (draft,) = read_csv(path)

    assert draft.problems() == ()
    assert extra(draft) == {"note": "caf\ufffd"}


@pytest.mark.parametrize(
    ("payload", "draft"),
    [
        pytest.param(OBJECT, ServiceRequestDraft("A", ITEM), id="flat"),
        pytest.param(
            {**OBJECT, "service": LUXURY, "brand": BAG, "model": LUXURY},
            ServiceRequestDraft("A", Item(BAG, CROSSBODY, BAG, LUXURY), LUXURY),
            id="flat, all",
        ),
        pytest.param(
            {"reference_id": "A", "service": LUXURY, "item": {"category": BAG, "type": CROSSBODY}},
            ServiceRequestDraft("A", ITEM, LUXURY),
            id="as the API has it",
        ),
        pytest.param(
            {**OBJECT, "service": None, "brand": None},
            ServiceRequestDraft("A", ITEM),
            id="nulls",
        ),
        pytest.param(
            {**OBJECT, "category": "Bag", "item": {"category": BAG}},
            ServiceRequestDraft("A", ITEM),
            id="item before flat",
        ),
    ],
)
def test_jsonl(payload: dict[str, Any], draft: ServiceRequestDraft) -> None:
    """Each line of a JSON Lines file is a draft, flat or as the API has it."""
    drafts = list(read_jsonl(jsonl_file(payload)))

    assert drafts == [draft]
    assert drafts[0].problems() == ()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"%s\n%s\n", id="plain"),
        pytest.param(b"\xef\xbb\xbf%s\n%s\n", id="byte order mark"),
        pytest.param(b"%s\r\n%s\r\n", id="crlf"),
        pytest.param(b"%s\n%s", id="no line end"),
        pytest.param(b"  %s  \n\t%s", id="spaces around"),
    ],
)
def test_jsonl_forms(content: bytes) -> None:
    """The habits of editors change nothing."""
    line = json.dumps(OBJECT).encode()
    Path("items.jsonl").write_bytes(content % (line, line))

    assert told(read_jsonl("items.jsonl")) == ["items.jsonl:1 A", "items.jsonl:2 A"]


def test_jsonl_lines() -> None:
    """Blank lines are counted, and are no drafts."""
    path = jsonl_file(b"", OBJECT, b"  ", b"\t", OBJECT)

    assert told(read_jsonl(path)) == ["items.jsonl:2 A", "items.jsonl:5 A"]


def test_jsonl_unknown_keys() -> None:
    """Keys that are no part of a draft are kept as they are."""
    path = jsonl_file({**OBJECT, "shelf": 7, "tags": ["a"], "uuid": "u"})

    (draft,) = read_jsonl(path)

    assert extra(draft) == {"shelf": 7, "tags": ["a"], "uuid": "u"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param(b'{"reference_id": "X"', "is not JSON: ", id="broken"),
        pytest.param(b"[" * 100_000, "is not JSON: ", id="deep"),
        pytest.param(b"9" * 5000, "is not JSON: ", id="five thousand digits"),
        pytest.param(b"[1, 2]", "is no JSON object but '[1, 2]'", id="list"),
        pytest.param(b"null", "is no JSON object but 'null'", id="null"),
        pytest.param(b'"\xff"', "is no JSON object but '\"\ufffd\"'", id="no utf-8 text"),
        pytest.param({"reference_id": "X", "item": BAG}, "item: is no JSON object", id="item is a text"),
        pytest.param({"reference_id": "X", "item": None}, "item: is no JSON object", id="item is null"),
        pytest.param({}, "reference_id: is empty", id="empty object"),
        pytest.param({**OBJECT, "reference_id": 7}, "reference_id: 7 is not a text", id="reference is a number"),
        pytest.param({**OBJECT, "reference_id": None}, "reference_id: None is not a text", id="reference is null"),
        pytest.param({**OBJECT, "category": 7}, "item.category: 7 is not a UUID", id="category is a number"),
        pytest.param({**OBJECT, "type": None}, "item.type: is empty, a UUID is needed", id="type is null"),
        pytest.param({**OBJECT, "service": ""}, "service: is empty, a UUID is needed", id="service is empty"),
        pytest.param(
            json.dumps(OBJECT).encode().replace(b'"A"', b'"\xff"'),
            r"reference_id: '\udcff' can't be written as UTF-8",
            id="no utf-8",
        ),
    ],
)
def test_jsonl_bad_line(line: object, problem: str) -> None:
    """A line that is wrong tells its file and number, and the other lines go on."""
    path = jsonl_file(OBJECT, line, OBJECT)

    first, bad, last = told(read_jsonl(path))

    assert (first, last) == ("items.jsonl:1 A", "items.jsonl:3 A")
    assert f"items.jsonl:2: {problem}" in bad


@pytest.mark.parametrize(
    ("line", "reference_id"),
    [
        pytest.param({"reference_id": "X", "item": 7}, "X", id="text"),
        pytest.param({"reference_id": ["X"], "item": 7}, "", id="no text"),
        pytest.param({"item": 7}, "", id="none"),
    ],
)
def test_jsonl_reference_of_bad_line(line: object, reference_id: str) -> None:
    """A line of which no draft can be made still tells its reference, if it is a text."""
    assert [draft.reference_id for draft in read_jsonl(jsonl_file(line))] == [reference_id]


READERS = pytest.mark.parametrize("read", [read_csv, read_jsonl], ids=["csv", "jsonl"])


@READERS
def test_file_missing(read: Read) -> None:
    """A file that isn't there is told at once."""
    with pytest.raises(ConfigurationError, match=r"^can't read 'nothing\.here': No such file or directory$") as raised:
        read("nothing.here")

    assert raised.value.problems == ("nothing.here",)


@READERS
def test_file_is_directory(read: Read, here: Path) -> None:
    """A directory is no file, and is told at once."""
    with pytest.raises(ConfigurationError, match=r"^can't read .*: Is a directory$"):
        read(here)


@READERS
def test_file_goes_away(read: Read) -> None:
    """A file that is gone by the time of the first draft is told then, in the same words."""
    path = Path(csv_file(f"{HEADER}\nA,{ROW}\n"))
    drafts = read(path)
    path.unlink()

    with pytest.raises(ConfigurationError, match=r"^can't read 'items\.csv': No such"):
        next(drafts)


SEES_OPEN_FILES = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here: run it on Linux")
CSV_TEXT = f"{HEADER}\nA,{ROW}\nB,{ROW}\n"
JSONL_TEXT = (json.dumps(OBJECT) + "\n") * 2


@pytest.mark.parametrize(
    ("read", "text"), [pytest.param(read_csv, CSV_TEXT, id="csv"), pytest.param(read_jsonl, JSONL_TEXT, id="jsonl")]
)
class TestFiles:
    """What holds of both kinds of file."""

    @SEES_OPEN_FILES
    def test_closed_after_the_last(self, read: Read, text: str) -> None:
        """After the last draft the file is closed, without waiting for the garbage collector."""
        path = csv_file(text)

        assert len(list(read(path))) == 2
        assert open_files() == []

    @SEES_OPEN_FILES
    def test_closed_in_the_middle(self, read: Read, text: str) -> None:
        """A reader that is closed in the middle closes its file."""
        drafts: Any = read(csv_file(text))
        next(drafts)

        assert open_files() == ["items.csv"]
        drafts.close()
        assert open_files() == []

    @SEES_OPEN_FILES
    def test_never_begun(self, read: Read, text: str) -> None:
        """A reader that is never asked for a draft holds no file open."""
        drafts = read(csv_file(text))

        assert open_files() == []
        del drafts

    def test_twice(self, read: Read, text: str) -> None:
        """A file can be read twice at the same time."""
        path = csv_file(text)

        assert list(read(path)) == list(read(path))

    @pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
    def test_stream(self, read: Read, text: str, mark: str) -> None:
        """An open text file is read as it is, and is the caller's to close."""
        stream = io.StringIO(mark + text, newline="")

        drafts = list(read(stream))

        assert [draft.problems() for draft in drafts] == [(), ()]
        assert str(drafts[0].origin).startswith("input:")
        assert not stream.closed

    def test_named_stream(self, read: Read, text: str) -> None:
        """Messages call an open file by its own name."""
        with Path(csv_file(text)).open(encoding="utf-8", newline="") as file:
            assert str(next(read(file)).origin).startswith("items.csv:")

    def test_given_name(self, read: Read, text: str) -> None:
        """Messages call a file by the name that the caller gives it."""
        assert str(next(read(csv_file(text), name="stdin")).origin).startswith("stdin:")


def open_files() -> list[str]:
    """Names of the files that this process has open in the test's directory."""
    links = [Path(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]  # noqa: PTH208  # no path
    targets = [link.readlink() for link in links if link.is_symlink()]
    return [target.name for target in targets if target.parent == Path.cwd()]


def test_stream_header() -> None:
    """The header of an open file is looked at when the first draft is asked for."""
    drafts = read_csv(io.StringIO("reference_id\nA\n"), name="stdin")

    with pytest.raises(ConfigurationError, match=r"^stdin:1: the header has no column 'category', 'type'"):
        next(drafts)


@given(rows=st.lists(st.lists(st.text(), min_size=3, max_size=5), max_size=5))
def test_any_cells(rows: list[list[str]]) -> None:
    """Whatever stands in its cells, what a CSV writer writes is read back row by row."""
    text = "\r\n".join(
        ",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [HEADER.split(","), *rows]
    )

    drafts = list(read_csv(io.StringIO(text, newline="")))

    assert [draft.reference_id for draft in drafts] == [row[0] for row in rows]


@given(content=st.binary())
def test_any_csv_bytes(content: bytes) -> None:
    """Whatever a file holds, each of its rows is a draft that can tell what is wrong with it."""
    stream = io.TextIOWrapper(io.BytesIO(HEADER.encode() + b"\n" + content), "utf-8", "surrogateescape", newline="")

    assert all(draft.problems() for draft in read_csv(stream))


@given(content=st.binary() | st.text(alphabet='{}[]",:\n tem\\u').map(str.encode))
def test_any_jsonl_bytes(content: bytes) -> None:
    """Whatever a file holds, each of its lines is a draft that can tell what is wrong with it."""
    stream = io.TextIOWrapper(io.BytesIO(content), "utf-8", "surrogateescape", newline="")

    assert all(draft.problems() for draft in read_jsonl(stream))
