"""Photos, as they were uploaded."""

from attrs import frozen


@frozen(kw_only=True)
class Upload:
    """A photo that was uploaded (contract, section 8).

    Attributes:
        sr_uuid: Id of the service request.
        side_uuid: Id of the side that it shows.
        content_type: Such as `image/jpeg`, told by its content.
        width: Pixels.
        height: Pixels.
        size: Bytes.
    """

    sr_uuid: str
    side_uuid: str
    content_type: str
    width: int
    height: int
    size: int
