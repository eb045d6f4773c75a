"""The rest of the API on the command line: from names to a submission, and webhooks."""

import base64
import json
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from legitmark_async.testing import make_photo
from legitmark_async.webhooks import sign

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
SECRET = f"whsec_{base64.b64encode(b'a secret').decode()}"
BODY = b'{"event_type": "state_change", "sr_uuid": "u", "state": {"primary": "QC"}}'


def lines(done: "subprocess.CompletedProcess[str]") -> list[dict[str, object]]:
    """The JSON lines of a command that did it all."""
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_from_names_to_submission(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """An item told by names is created, photographed side by side, and submitted, by commands alone."""
    photo = tmp_path / "photo"
    photo.write_bytes(make_photo(kind="png"))
    names = ("--category", "bag", "--type", "cross body", "--brand", "Hermes")
    (sr,) = lines(legitmark("create", "--reference-id", "W-1", *names, **sandbox))
    uuid = str(sr["uuid"])

    needed = [side for side in lines(legitmark("requirements", uuid, **sandbox)) if side["required"]]
    for side in needed:
        (told,) = lines(legitmark("upload", uuid, str(side["name"]).upper(), photo, **sandbox))
        assert (told["side_uuid"], told["content_type"]) == (side["uuid"], "image/png")
    (progress,) = lines(legitmark("progress", uuid, **sandbox))
    (submitted,) = lines(legitmark("submit", uuid, **sandbox))
    (read,) = lines(legitmark("get", uuid, "--include", "item", **sandbox))
    (found,) = lines(legitmark("find", "W-1", **sandbox))

    assert len(needed) == 6
    assert progress["met"] is True
    assert submitted["state"] == read["state"] == {"primary": "QC", "supplement": "PENDING"}
    assert read["item"]["brand"]["name"] == "Hermès"  # type: ignore[index]  # JSON
    assert found["uuid"] == uuid


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with a photo for each side of a bag that needs one."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for side in ("Front", "Back", "Base", "interior-label", "Hardware Engraving", "Serial Number"):
        (folder / f"{side}.png").write_bytes(make_photo(kind="png"))
    return folder


def test_authenticate(legitmark: Run, sandbox: Mapping[str, str], photos: Path) -> None:
    """One command takes an item the whole way; stuck, it says how to go on, and goes on."""
    item = ("--reference-id", "A-1", "--category", "Bag", "--type", "Tote", "--photos", photos)
    (photos / "Base.png").rename(photos.parent / "Base.png")

    stuck = legitmark("authenticate", *item, **sandbox)
    words = stuck.stderr.splitlines()[0].partition("legitmark authenticate ")[2].split()
    (photos.parent / "Base.png").rename(photos / "Base.png")
    (submitted,) = lines(legitmark("authenticate", *words, **sandbox))
    late = legitmark("authenticate", *words, "--verdict", "--timeout", "0.2", "--poll", "0.1", **sandbox)
    (found,) = lines(legitmark("find", "A-1", **sandbox))

    assert (stuck.returncode, stuck.stdout) == (1, "")
    assert "got stuck at requirements: no photo for 'Base'" in stuck.stderr
    assert words == ["--sr", str(submitted["uuid"]), "--photos", str(photos)]
    assert found["uuid"] == submitted["uuid"]
    assert submitted["state"] == {"primary": "QC", "supplement": "PENDING"}
    assert late.returncode == 1
    assert "got stuck at verdict" in late.stderr


def test_authenticate_to_the_verdict(legitmark: Run, serve: Callable[..., Mapping[str, str]], photos: Path) -> None:
    """With --verdict the final service request is printed."""
    around = serve("--limit-partner", "0", "--state-pace", "0.01", "--verdict", "counterfeit=1")
    item = ("--reference-id", "A-2", "--category", "Bag", "--type", "Tote", "--photos", photos)

    (judged,) = lines(legitmark("authenticate", *item, "--verdict", "--poll", "0.05", **around))

    assert judged["state"] == {"primary": "COMPLETE", "supplement": "REJECTED"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--reference-id, --category and --type are needed, or --sr to go on"),
        (("--sr", "uuid", "--brand", "Nike"), "--sr goes on with what was created before: leave the other options out"),
    ],
)
def test_wrong_items(
    legitmark: Run, sandbox: Mapping[str, str], photos: Path, words: tuple[str, ...], told: str
) -> None:
    """An item is told in one of two ways."""
    done = legitmark("authenticate", "--photos", photos, *words, **sandbox)

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_request(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """Endpoints without a command are reached too; the pages of a list are read to the end."""
    category = {"category": "cc30b104-7c47-11ef-a623-02595575faeb", "type": "95e42d6b-7c4f-11ef-a623-02595575faeb"}
    body = json.dumps({"reference_id": "RAW-1", "item": category})
    rows = lines(legitmark("request", "GET", "/api/v2/brands", "--pages", **sandbox))
    (page,) = lines(legitmark("request", "get", "/api/v2/categories", "--param", "search_query=bag", **sandbox))
    (created,) = lines(legitmark("request", "POST", "/api/v2/sr", "--body", body, **sandbox))
    missing = legitmark("request", "GET", "/api/v2/nothing", **sandbox)

    assert len({row["uuid"] for row in rows}) == len(rows) > 2
    assert "metadata" in page
    assert created["success"] is True
    assert missing.returncode == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("GET", "/x", "--param", "search"), "--param takes NAME=VALUE, not 'search'"),
        (("POST", "/x", "--body", "{"), "--body is no JSON: "),
        (("POST", "/x", "--pages"), "--pages is for GET, without a body"),
        (("GET", "x"), "path must begin with one slash"),
    ],
)
def test_wrong_requests(legitmark: Run, sandbox: Mapping[str, str], words: tuple[str, ...], told: str) -> None:
    """A request that can't be one is told before anything is sent."""
    done = legitmark("request", *words, **sandbox)

    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_models(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """Models are listed, by the names and UUIDs that are told."""
    all_, some = (
        lines(legitmark("taxonomy", "models", **sandbox)),
        lines(legitmark("taxonomy", "models", "--search", "air max", **sandbox)),
    )

    assert 0 < len(some) < len(all_)
    assert {"model", "model_uuid"} == set(some[0])


def test_wait(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """Waiting ends at a final state with status 0, at rejected photos with 1, and at its end of time with 3."""
    item = ("--category", "Bag", "--type", "Tote")
    (sr,) = lines(legitmark("create", "--reference-id", "V-1", *item, **sandbox))
    statuses = [legitmark("wait", str(sr["uuid"]), "--timeout", "0.2", "--poll", "0.1", **sandbox).returncode]
    for state in ({"primary": "QC", "supplement": "REJECTED"}, {"primary": "CANCELLED"}):
        body = json.dumps({"sr_uuid": sr["uuid"], **state}).encode()
        request = urllib.request.Request(f"{sandbox['LEGITMARK_BASE_URL']}/_sandbox/move", body)  # noqa: S310  # loopback
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310  # loopback
            statuses.append(legitmark("wait", str(sr["uuid"]), **sandbox).returncode)

    assert statuses == [3, 1, 0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("create", "--reference-id", "R", "--category", "Bagg", "--type", "Tote"), "did you mean 'Bag'?"),
        (("upload", "UUID", "Fronts", "no.jpg"), "did you mean 'Front'?"),
        (("upload", "UUID", "Front", "no.jpg"), "photo: 'no.jpg' can't be read: No such file"),
        (("get", "UUID", "--include", "side"), "no flag 'side' to include"),
        (("requirements", "UUID", "--language", "de"), "language must be one of"),
    ],
)
def test_wrong_words(legitmark: Run, sandbox: Mapping[str, str], words: tuple[str, ...], told: str) -> None:
    """What can't be is told in one line, with what is near and exit status 2."""
    (sr,) = lines(legitmark("create", "--reference-id", "X", "--category", "Bag", "--type", "Tote", **sandbox))

    done = legitmark(*[word.replace("UUID", str(sr["uuid"])) for word in words], **sandbox)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert told in done.stderr


def test_create_many_by_names(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """A file may hold names, and so may a stream; a row with an unknown one fails alone."""
    text = "reference_id,category,type,brand\nN-1,Bag,Tote,hermes\nN-2,Bag,Toto,\nN-3,Footwear,Boots,\n"
    path = tmp_path / "items.csv"
    path.write_text(text)

    for done in (legitmark("create-many", path, **sandbox), legitmark("create-many", "-", stdin=text, **sandbox)):
        told = {line["reference_id"]: line for line in map(json.loads, done.stdout.splitlines())}
        assert done.returncode == 1
        assert [told[f"N-{number}"]["status"] for number in (1, 2, 3)] == ["created", "failed", "created"]
        assert "did you mean 'Tote'?" in told["N-2"]["error"]


def test_dry_run_of_names(legitmark: Run, sandbox: Mapping[str, str], tmp_path: Path) -> None:
    """With a key a dry run looks names up, and creates nothing."""
    path = tmp_path / "items.csv"
    path.write_text("reference_id,category,type\nDRY-1,Bag,Tote\nDRY-2,Bag,Toto\n")

    with_key = legitmark("create-many", path, "--dry-run", **sandbox)
    without = legitmark("create-many", path, "--dry-run")
    found = legitmark("find", "DRY-1", **sandbox)

    told, count = map(json.loads, with_key.stdout.splitlines())
    assert "did you mean 'Tote'?" in told["error"]
    assert (count["valid"], count["invalid"], found.returncode) == (1, 1, 3)
    assert json.loads(without.stdout.splitlines()[-1])["invalid"] == 2


def test_taxonomy(legitmark: Run, sandbox: Mapping[str, str]) -> None:
    """Types, brands and the UUIDs of names are printed."""
    tree = lines(legitmark("taxonomy", "tree", "--language", "zh", **sandbox))
    brands = lines(legitmark("taxonomy", "brands", "--search", "nik", **sandbox))
    (item,) = lines(legitmark("taxonomy", "resolve", "--category", "Bag", "--type", "Tote", **sandbox))

    assert tree[0] == {
        "category": "包袋",
        "category_uuid": "cc30b104-7c47-11ef-a623-02595575faeb",
        "type": "斜挎包",
        "type_uuid": "95e42d6b-7c4f-11ef-a623-02595575faeb",
    }
    assert [brand["brand"] for brand in brands] == ["Nike"]
    assert item["category"] == tree[0]["category_uuid"]


def test_verify_webhook(legitmark: Run, tmp_path: Path) -> None:
    """A webhook is checked and printed; one that isn't signed is told, with exit status 1."""
    path = tmp_path / "body.json"
    path.write_bytes(BODY)
    headers = [f"--header={name}: {value}" for name, value in sign(BODY, SECRET, message_id="msg_1").items()]

    right = legitmark("webhook", "verify", path, *headers, LEGITMARK_WEBHOOK_SECRET=SECRET)
    piped = legitmark("webhook", "verify", "-", *headers, stdin=BODY.decode(), LEGITMARK_WEBHOOK_SECRET=SECRET)
    wrong = legitmark("webhook", "verify", path, LEGITMARK_WEBHOOK_SECRET=SECRET)
    secretless = legitmark("webhook", "verify", path, *headers)
    garbled = legitmark("webhook", "verify", path, "--header", "svix-id", LEGITMARK_WEBHOOK_SECRET=SECRET)

    assert lines(right) == lines(piped) == [{"message_id": "msg_1", "event": json.loads(BODY)}]
    assert [done.returncode for done in (wrong, secretless, garbled)] == [1, 2, 2]
    assert "is not signed" in wrong.stderr
    assert "whsec_" in secretless.stderr
    assert "NAME: VALUE" in garbled.stderr


@pytest.mark.parametrize("secret", ["", SECRET])
def test_listen(start: Start, legitmark: Run, secret: str) -> None:
    """Events are printed as they come, until a signal."""
    process = start("webhook", "listen", "--port", "0", LEGITMARK_WEBHOOK_SECRET=secret)
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    request = urllib.request.Request(url, BODY, sign(BODY, SECRET, message_id="m"))  # noqa: S310  # loopback
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  # loopback
        assert answer.status == 200
    taken = legitmark("webhook", "listen", "--port", url.rpartition(":")[2])

    event = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=10)

    assert event == json.loads(BODY)
    assert process.returncode == 0
    assert ("are not checked" in words.decode()) is not bool(secret)
    assert (taken.returncode, "can't listen on port" in taken.stderr) == (2, True)
