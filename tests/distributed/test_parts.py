"""What goes into messages and into the ledger, as texts."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legitmark_async import Item, LedgerError, Row, ServiceRequestDraft
from legitmark_async.distributed._messages import VERSION, decode_chunk, encode_chunk
from legitmark_async.distributed._records import Record, digest_text
from legitmark_async.testing import BAG, CROSSBODY

UUID_TEXTS = st.uuids().map(str)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(str.strip)


@given(
    st.builds(
        ServiceRequestDraft,
        TEXTS,
        st.builds(Item, UUID_TEXTS, UUID_TEXTS, brand=st.none() | UUID_TEXTS, model=st.none() | UUID_TEXTS),
        st.none() | UUID_TEXTS,
        origin=st.none() | st.builds(Row, TEXTS, st.integers(1), st.dictionaries(TEXTS, TEXTS)),
    )
)
def test_message(draft: ServiceRequestDraft) -> None:
    """A draft that can be sent comes out of a message as it went in, with where it came from."""
    (decoded,) = decode_chunk(VERSION, encode_chunk([draft]))

    assert decoded == draft
    assert decoded.origin == draft.origin
    assert decoded.problems() == ()


@pytest.mark.parametrize(
    "draft",
    [
        ServiceRequestDraft("", Item(BAG, CROSSBODY)),
        ServiceRequestDraft("\ud800", Item(BAG, CROSSBODY)),
        ServiceRequestDraft(17, Item(BAG, CROSSBODY)),  # type: ignore[arg-type]  # drafts come from anywhere
        ServiceRequestDraft("A", Item("Bag", "")),
        ServiceRequestDraft("A", Item(object(), CROSSBODY)),  # type: ignore[arg-type]  # the same
        ServiceRequestDraft("A", None),  # type: ignore[arg-type]  # the same
    ],
)
def test_message_of_a_bad_draft(draft: ServiceRequestDraft) -> None:
    """A draft that can't be sent arrives with all that is wrong with it."""
    (decoded,) = decode_chunk(VERSION, encode_chunk([draft]))

    assert decoded.problems() == ("; ".join(draft.problems()),)


def test_origin_of_ones_own() -> None:
    """An origin that is no row of a file arrives as its text."""
    (decoded,) = decode_chunk(VERSION, encode_chunk([ServiceRequestDraft("A", Item(BAG, CROSSBODY), origin=UUID(BAG))]))

    assert decoded.origin == BAG


@pytest.mark.parametrize("text", ["", "{", "17", "[17]", "[[]]", '[{"line": 1}]', '{"a": 1}'])
def test_unreadable_message(text: str) -> None:
    """What is no chunk is told, whatever it is."""
    with pytest.raises(LedgerError, match="message: can't be read"):
        decode_chunk(VERSION, text)


def test_message_of_another_version() -> None:
    """A message of a later release is not guessed at."""
    with pytest.raises(LedgerError, match="is of version 2, and this worker reads 1: update the older side"):
        decode_chunk(2, "[]")


@pytest.mark.parametrize(
    "record",
    [
        Record(state="S", owner="2-17.1", digest="abcdefgh", not_before=1.8e9),
        Record(state="C", owner="2-17.1", digest="abcdefgh", uuid=BAG, micro_id="998015"),
        Record(state="C", owner="2-17.1", digest="abcdefgh", uuid="no uuid", micro_id="a|b"),
        Record(state="C", owner="2-17.1", digest="", uuid=""),
        Record(state="F", owner="2-17.1", digest="abcdefgh", told={"error": "a|b", "line": 3}),
        Record(state="U", owner="2-17.1", digest="abcdefgh", not_before=1.8e9, told={"error": "|"}),
    ],
)
def test_record(record: Record) -> None:
    """A record is read as it was written."""
    assert Record.decode(record.encode()) == record


def test_record_is_compact() -> None:
    """Redis keeps a hash in its compact form as long as no text in it is above 64 bytes."""
    record = Record(state="C", owner="3-10000.2", digest="abcdefgh", uuid=BAG, micro_id="99801512")

    assert len(record.encode()) <= 64


def test_digest() -> None:
    """Drafts that differ in anything that is sent have other digests."""
    drafts = [
        ServiceRequestDraft("A", Item(BAG, CROSSBODY)),
        ServiceRequestDraft("B", Item(BAG, CROSSBODY)),
        ServiceRequestDraft("A", Item(BAG, BAG)),
        ServiceRequestDraft("A", Item(BAG, CROSSBODY), BAG),
        ServiceRequestDraft("A", Item(BAG, CROSSBODY, BAG)),
    ]

    assert len({digest_text(draft) for draft in drafts}) == len(drafts)
