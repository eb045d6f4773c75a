"""The photos that a service request needs: its sides, and how many of them are there."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from legitmark_async.models._names import UnknownNameError, find_named


@frozen(kw_only=True)
class MediaVersion:
    """One version of a photo (contract, section 7.2).

    Attributes:
        url: Where it is.
        version_id: Its version in the storage.
        last_modified: When it was uploaded.
        size: Bytes.
        is_latest: Whether it is the one that counts.
        raw: The JSON object this was read from.
    """

    url: str | None = None
    version_id: str | None = None
    last_modified: datetime | None = None
    size: int | None = None
    is_latest: bool | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class Side:
    """A side of an item that a photo is to show (contract, section 7.2).

    Attributes:
        uuid: Id of the side; where a photo is uploaded to.
        name: Such as Front, in the language that was asked for.
        description: What the photo is to show.
        ordinal: Its place among the others; there may be gaps.
        required: Whether it is needed, where the side itself tells.
        active: Whether it is in use.
        is_thumbnail: Whether its photo stands for the whole service request.
        overlay_image: URL of a picture to lay over the camera's.
        example_image: URL of an example.
        thumbnail_image: URL of a small picture.
        template_url: URL of a template.
        side_group_id: Id of its group.
        side_group_name: Name of its group.
        assignment_level: Where in the taxonomy it comes from, such as `category`.
        inherited_from: Id of that row.
        media_url: The versions of its photo, newest first; empty as long as there is none.
        created_at: When it was created.
        updated_at: When it was last changed.
        raw: The JSON object this was read from.
    """

    uuid: str
    name: str | None = None
    description: str | None = None
    ordinal: int | None = None
    required: bool | None = None
    active: bool | None = None
    is_thumbnail: bool | None = None
    overlay_image: str | None = None
    example_image: str | None = None
    thumbnail_image: str | None = None
    template_url: str | None = None
    side_group_id: str | None = None
    side_group_name: str | None = None
    assignment_level: str | None = None
    inherited_from: str | None = None
    media_url: tuple[MediaVersion | str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)

    @property
    def uploaded(self) -> bool:
        """Whether it has a photo: an empty list is none (contract, section 13.19)."""
        return bool(self.media_url)


@frozen(kw_only=True)
class Progress:
    """How many photos a service request has, and whether they are enough (contract, sections 7.2 and 7.4).

    The counts are the API's own; those of the lists of sides may differ (contract, section 13.19).

    Attributes:
        current_required: Photos of required sides that are there.
        total_required: Sides that are required.
        current_optional: Photos of optional sides that are there.
        total_optional: Sides that are optional.
        met: Whether it may be submitted. None if that isn't known: the storage couldn't be asked.
        last_updated: When this was found out.
        warning: What the API warns of.
        s3_error: Whether the storage couldn't be asked, so that the counts mean nothing.
        raw: The JSON object this was read from.
    """

    current_required: int | None = None
    total_required: int | None = None
    current_optional: int | None = None
    total_optional: int | None = None
    met: bool | None = None
    last_updated: datetime | None = None
    warning: str | None = None
    s3_error: bool = False
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class Sides:
    """The sides of a service request (contract, section 7.2).

    Attributes:
        required: Those that need a photo.
        optional: Those that may have one.
        progress: How many are there, if the answer tells.
        raw: The JSON object this was read from.
    """

    required: tuple[Side, ...] = ()
    optional: tuple[Side, ...] = ()
    progress: Progress | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)


@frozen(kw_only=True)
class Requirements:
    """What a service request needs before it can be submitted.

    Attributes:
        required: Sides that need a photo.
        optional: Sides that may have one.
        progress: How many are there, if the answer tells.
        raw: The JSON object this was read from.
    """

    required: tuple[Side, ...] = ()
    optional: tuple[Side, ...] = ()
    progress: Progress | None = None
    raw: Mapping[str, Any] = field(factory=dict[str, Any], eq=False, repr=False)

    @property
    def sides(self) -> tuple[Side, ...]:
        """All sides, the required ones first."""
        return self.required + self.optional

    @property
    def missing(self) -> tuple[Side, ...]:
        """Required sides without a photo."""
        return tuple(side for side in self.required if not side.uploaded)

    def side(self, name_or_uuid: str) -> Side:
        """Return the side of this name or UUID.

        Case, accents, spaces and punctuation don't count, unless two names differ by them alone.

        Raises:
            KeyError: There is none, or there are several of this name; the message names those that are near.
        """
        try:
            return find_named(self.sides, name_or_uuid, "sides")
        except UnknownNameError as error:
            raise KeyError(str(error)) from None
