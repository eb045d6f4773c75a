"""Drafts that tell what is wrong with them, and the values of the API."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from legitmark_async import models
from legitmark_async.models import (
    ErrorEnvelope,
    Item,
    Limit,
    LimitType,
    PrimaryState,
    RateLimitDetails,
    ServiceRequest,
    ServiceRequestDraft,
    State,
    SupplementState,
)
from legitmark_async.testing import BAG, CROSSBODY

ITEM = Item(category=BAG, type=CROSSBODY)
DRAFT = ServiceRequestDraft("ITEM-2024-0891", ITEM, BAG)
VALUES: list[object] = [
    ITEM,
    DRAFT,
    State(),
    ServiceRequest(uuid="u"),
    ErrorEnvelope(),
    RateLimitDetails(),
    Limit(type=LimitType.USER),
]


@pytest.mark.parametrize(
    "draft",
    [
        pytest.param(DRAFT, id="with service"),
        pytest.param(ServiceRequestDraft("R", ITEM), id="without service"),
        pytest.param(ServiceRequestDraft("R", Item(BAG, CROSSBODY, BAG, CROSSBODY)), id="with brand and model"),
        pytest.param(ServiceRequestDraft("包 / 1 \t\U0001f45c", ITEM), id="reference of any script"),
        pytest.param(ServiceRequestDraft("R", Item(BAG.upper(), CROSSBODY)), id="upper case"),
        pytest.param(ServiceRequestDraft("R", Item("0" * 8 + "-0000-0000-0000-" + "0" * 12, CROSSBODY)), id="nil"),
    ],
)
def test_good_draft(draft: ServiceRequestDraft) -> None:
    """A draft that the API would take has no problems."""
    assert draft.problems() == ()


@given(uuid=st.uuids(), version=st.integers(1, 8))
def test_any_uuid_version(uuid: object, version: int) -> None:
    """A UUID of any version will do: those of the taxonomy are mostly version 1."""
    text = f"{str(uuid)[:14]}{version}{str(uuid)[15:]}"

    assert not ServiceRequestDraft("R", Item(text, text.upper())).problems()


@pytest.mark.parametrize(
    ("reference_id", "problem"),
    [
        pytest.param("", "reference_id: is empty", id="empty"),
        pytest.param(" \t\n", "reference_id: is empty", id="blank"),
        pytest.param("\u3000", "reference_id: is empty", id="blank of another script"),
        pytest.param(None, "reference_id: None is not a text", id="none"),
        pytest.param(891, "reference_id: 891 is not a text", id="number"),
        pytest.param(b"R", "reference_id: b'R' is not a text", id="bytes"),
        pytest.param("R\udcff", r"reference_id: 'R\udcff' can't be written as UTF-8", id="lone surrogate"),
    ],
)
def test_bad_reference(reference_id: str, problem: str) -> None:
    """A reference that can't be found again is refused."""
    assert ServiceRequestDraft(reference_id, ITEM).problems() == (problem,)


@pytest.mark.parametrize("field", ["item.category", "item.type", "item.brand", "item.model", "service"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        pytest.param("", "is empty, a UUID is needed", id="empty"),
        pytest.param("Bag", "'Bag' is not a UUID", id="name"),
        pytest.param(f" {BAG}", f"' {BAG}' is not a UUID", id="space in front"),
        pytest.param(f"{BAG}\n", rf"'{BAG}\n' is not a UUID", id="line end behind"),
        pytest.param(BAG.replace("-", ""), f"'{BAG.replace('-', '')}' is not a UUID", id="no hyphens"),
        pytest.param(f"{{{BAG}}}", f"'{{{BAG}}}' is not a UUID", id="braces"),
        pytest.param(f"urn:uuid:{BAG}", f"'urn:uuid:{BAG}' is not a UUID", id="urn"),
        pytest.param(f"g{BAG[1:]}", f"'g{BAG[1:]}' is not a UUID", id="letter beyond f"),
        pytest.param(f"\u0661{BAG[1:]}", f"'\u0661{BAG[1:]}' is not a UUID", id="digit of another script"),
        pytest.param(7, "7 is not a UUID", id="number"),
        pytest.param([BAG], f"['{BAG}'] is not a UUID", id="list"),
        pytest.param("x" * 500, f"'{'x' * 79}… is not a UUID", id="long"),
    ],
)
def test_bad_uuid(field: str, value: str, problem: str) -> None:
    """A malformed UUID is refused with the path of its field, and shown in part if it is long."""
    name = field.removeprefix("item.")
    draft = (
        attrs.evolve(DRAFT, service=value)
        if name == "service"
        else attrs.evolve(DRAFT, item=attrs.evolve(ITEM, **{name: value}))
    )

    assert draft.problems() == (f"{field}: {problem}",)


@pytest.mark.parametrize("item", [pytest.param(None, id="none"), pytest.param({"category": BAG}, id="dict")])
def test_no_item(item: Item) -> None:
    """An item that is none is refused."""
    assert ServiceRequestDraft("R", item).problems() == (f"item: {item!r} is not an Item",)


def test_needed_uuids() -> None:
    """Category and type can't be left out."""
    item = Item(None, None)  # type: ignore[arg-type]  # as it comes from a form

    assert ServiceRequestDraft("R", item).problems() == (
        "item.category: is empty, a UUID is needed",
        "item.type: is empty, a UUID is needed",
    )


def test_all_problems() -> None:
    """All problems of a draft are told at once."""
    draft = ServiceRequestDraft("", Item("a", "b", "c", "d"), "e", origin="items.csv:17")

    assert draft.problems() == (
        "reference_id: is empty",
        "item.category: 'a' is not a UUID",
        "item.type: 'b' is not a UUID",
        "item.brand: 'c' is not a UUID",
        "item.model: 'd' is not a UUID",
        "service: 'e' is not a UUID",
    )


def test_problems_of_item() -> None:
    """An item tells its problems without the path to it."""
    assert Item("Bag", CROSSBODY).problems() == ("category: 'Bag' is not a UUID",)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_frozen(value: attrs.AttrsInstance) -> None:
    """Values can't be changed."""
    name = attrs.fields(type(value))[0].name

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(value, name, "other")


def test_equality() -> None:
    """Values are equal if what they say is, wherever they came from."""
    assert ServiceRequestDraft("R", ITEM, origin="a:1") == ServiceRequestDraft("R", ITEM, origin="b:2")
    assert ServiceRequest(uuid="u", raw={"uuid": "u"}) == ServiceRequest(uuid="u")
    assert ServiceRequest(uuid="u") != ServiceRequest(uuid="v")


def test_repr() -> None:
    """A repr is short: it has neither the origin nor the raw payload."""
    assert "a:1" not in repr(ServiceRequestDraft("R", ITEM, origin="a:1"))
    assert "secret" not in repr(ServiceRequest(uuid="u", raw={"x": "secret"}))


def test_enums_are_texts() -> None:
    """Members of open lists compare with, and print as, the words of the API."""
    assert PrimaryState.DRAFT == "DRAFT"
    assert f"{SupplementState.APPROVED} {LimitType.PARTNER}" == "APPROVED partner_level"


@pytest.mark.parametrize(
    ("details", "rate_limit"),
    [
        pytest.param(RateLimitDetails(limit=9), RateLimitDetails(limit=9), id="object"),
        pytest.param("error/rate_limit_exceeded", None, id="text"),
        pytest.param(None, None, id="none"),
    ],
)
def test_rate_limit(details: RateLimitDetails | str | None, rate_limit: RateLimitDetails | None) -> None:
    """An envelope has the details of a rate limit only if they are an object."""
    assert ErrorEnvelope(details=details).rate_limit == rate_limit


def test_all_names() -> None:
    """Everything that the package says it has is there."""
    assert {name for name in models.__all__ if not hasattr(models, name)} == set()


PREDICATES = ("is_final", "is_authentic", "is_counterfeit", "is_cancelled", "needs_resubmission")


@pytest.mark.parametrize(
    ("primary", "supplement", "true"),
    [
        (None, None, ()),
        ("DRAFT", None, ()),
        ("QUEUE", None, ()),
        ("QC", None, ()),
        ("QC", "PENDING", ()),
        ("QC", "REJECTED", ("needs_resubmission",)),
        ("QC", "APPROVED", ()),
        ("QC", "COMPLETE", ()),
        ("UNDERWAY", "REJECTED", ()),
        ("UNDERWAY", "APPROVED", ()),
        ("COMPLETE", "APPROVED", ("is_final", "is_authentic")),
        ("COMPLETE", "REJECTED", ("is_final", "is_counterfeit")),
        ("COMPLETE", "COMPLETE", ("is_final",)),
        ("COMPLETE", None, ("is_final",)),
        ("COMPLETE", "DISPUTED", ("is_final",)),
        ("CANCELLED", None, ("is_final", "is_cancelled")),
        ("SHIPPED", "APPROVED", ()),
    ],
)
def test_predicates(primary: str | None, supplement: str | None, true: tuple[str, ...]) -> None:
    """A verdict is told by COMPLETE with APPROVED or REJECTED alone (contract, traps 28 and 29)."""
    sr = ServiceRequest(uuid="u", state=State(primary=primary, supplement=supplement))

    assert tuple(name for name in PREDICATES if getattr(sr, name)) == true
    assert tuple(name for name in PREDICATES if getattr(sr.state, name)) == true
