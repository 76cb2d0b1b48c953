"""What a picture says of itself in its first bytes: JPEG, PNG or WEBP, width and height. Nothing else is taken."""

from dataclasses import dataclass
from typing import Literal

import simplejpeg

PictureFormat = Literal["jpeg", "png", "webp"]
MEDIA_TYPES: dict[PictureFormat, str] = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_WEBP_HEADER_BYTES = 30


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """Format and size of a picture."""

    format: PictureFormat
    width: int
    height: int


def inspect_picture(data: bytes) -> PictureInfo:
    """Read the format by its magic and the size from the header.

    Raises:
        ValueError: not a JPEG, PNG or WEBP, or its header is cut off.
    """
    if data[:3] == b"\xff\xd8\xff":
        height, width, _, _ = simplejpeg.decode_jpeg_header(data)
        return PictureInfo("jpeg", int(width), int(height))
    if data[:8] == _PNG_MAGIC and data[12:16] == b"IHDR" and len(data) >= 24:
        return _checked("png", int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= _WEBP_HEADER_BYTES:
        return _checked("webp", *_webp_size(data))
    raise ValueError("neither a JPEG nor a PNG nor a WEBP")


def check_whole(data: bytes, info: PictureInfo) -> None:
    """Make sure that a JPEG can be decoded to its end; the other formats are left to whoever decodes them.

    Raises:
        ValueError: it is cut off or damaged.
    """
    if info.format == "jpeg":
        # An eighth of the size: the entropy decoding, where damage shows, is the same.
        simplejpeg.decode_jpeg(data, colorspace="GRAY", min_width=1, min_height=1, min_factor=8.0)


def crop_jpeg(data: bytes, box_ltrb: tuple[int, int, int, int], *, margin: float = 0.3) -> bytes:
    """Cut a face out of a JPEG.

    Args:
        data: the whole picture, JPEG.
        box_ltrb: the face in its pixels.
        margin: kept around it on each side, as a share of its size.

    Raises:
        ValueError: it cannot be decoded.
    """
    pixels = simplejpeg.decode_jpeg(data, colorspace="RGB")
    height, width = pixels.shape[:2]
    left, top, right, bottom = box_ltrb
    pad_x, pad_y = round((right - left) * margin), round((bottom - top) * margin)
    crop = pixels[max(0, top - pad_y) : min(height, bottom + pad_y), max(0, left - pad_x) : min(width, right + pad_x)]
    return bytes(simplejpeg.encode_jpeg(crop.copy(), quality=85, colorspace="RGB"))


def _checked(kind: PictureFormat, width: int, height: int) -> PictureInfo:
    if width < 1 or height < 1:
        raise ValueError("a picture without pixels")
    return PictureInfo(kind, width, height)


def _webp_size(data: bytes) -> tuple[int, int]:
    chunk = data[12:16]
    if chunk == b"VP8X":  # 24-bit little-endian canvas, each minus one
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L" and data[20] == 0x2F:  # 14 bits each, minus one
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + ((bits >> 14) & 0x3FFF)
    if chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":  # 14 bits each; the top two bits are the scale
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    raise ValueError("a WEBP whose first chunk is unknown")
