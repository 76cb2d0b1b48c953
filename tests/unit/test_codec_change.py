"""Which codec a packet's parameter sets are of."""

import pytest

from rtsp import Codec, code, textures
from vigia.infrastructure.video.codec_change import codec_in

SIZE_WH = (160, 96)
H264_AUD = b"\x00\x00\x00\x01\x09\xf0"
H265_AUD = b"\x00\x00\x00\x01\x46\x01\x50"


@pytest.mark.parametrize(("codec", "name"), [("h264", "h264"), ("h265", "hevc")])
def test_parameter_sets_tell_the_codec_and_other_packets_tell_nothing(codec: Codec, name: str) -> None:
    units = [unit[3] for unit in code(textures(SIZE_WH, 20), codec=codec, size_wh=SIZE_WH, fps=15, gop=10)]
    told = [codec_in(memoryview(data)) for data in units]
    assert [told[0], told[10]] == [name, name]
    assert {told[n] for n in range(20) if n % 10} == {None}
    delimiter = H264_AUD if codec == "h264" else H265_AUD
    assert codec_in(delimiter + units[0]) == name


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x00\x00\x01", b"\x00\x00\x01\x67", b"\x00\x00\x01\x40", b"\xff" * 200]
)
def test_scraps_tell_nothing(data: bytes) -> None:
    assert codec_in(data) is None


def test_a_jpeg_tells_nothing() -> None:
    (unit,) = code(textures(SIZE_WH, 1), codec="mjpeg", size_wh=SIZE_WH, fps=15)
    assert codec_in(unit[3]) is None
