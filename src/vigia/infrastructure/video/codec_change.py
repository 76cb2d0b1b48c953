"""Finding out that a stream has gone over to another codec, which FFmpeg's demultiplexer keeps to itself.

An MPEG-TS program may change from H.264 to H.265 in mid-stream. The packets then hold parameter sets of the other
standard, which are easily told apart by their first two bytes.
"""

START_CODE = b"\x00\x00\x01"
LOOK_BYTES = 96
"""Parameter sets come first, or right after a delimiter."""
H265_PARAMETER_SETS = frozenset({b"\x40\x01", b"\x42\x01", b"\x44\x01"})
"""VPS, SPS, PPS of the base layer. H.264 has no such units, or none that a camera sends."""
H264_SPS = frozenset({0x67, 0x47, 0x27})
H264_PROFILES = frozenset({44, 66, 77, 88, 100, 110, 118, 122, 128, 244})
TOLD_APART = frozenset({"h264", "hevc"})


def codec_in(coded: memoryview | bytes) -> str | None:
    """FFmpeg's name of the codec whose parameter sets a packet begins with; None when it holds none.

    Args:
        coded: a packet as a byte stream with start codes.
    """
    head = bytes(coded[:LOOK_BYTES])
    at = head.find(START_CODE)
    while at >= 0:
        unit = head[at + 3 : at + 5]
        if unit in H265_PARAMETER_SETS:
            return "hevc"
        if len(unit) == 2 and unit[0] in H264_SPS and unit[1] in H264_PROFILES:
            return "h264"
        at = head.find(START_CODE, at + 3)
    return None
