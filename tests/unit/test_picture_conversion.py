"""Pictures: colours that stay, luma as coded, odd sizes, what is no picture."""

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest
import simplejpeg
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vigia.domain.errors import DomainError
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder
from vigia.infrastructure.video.picture import (
    AvPicture,
    SwscalePictureScaler,
    av_frame,
    picture_from_image,
    picture_from_rgb,
)
from vigia.testing.video import ScriptedPicture

Rgb = NDArray[np.uint8]
LIMITED, FULL = 1, 2
BT709, BT601 = 1, 5


def reference(width: int, height: int) -> Rgb:
    """Smooth colours from black to white, saturated ones included: coarse chroma costs little."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    red = 255 * x
    green = 255 * (0.5 + 0.5 * np.sin(3 * y + 2 * x)) * (0.2 + 0.8 * y)
    blue = 255 * y * (1 - 0.5 * x)
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def coded(
    rgb: Rgb, *, codec: str = "libx264", pixel_format: str, colorspace: int = BT601, color_range: int = LIMITED
) -> AvPicture:
    """The picture as it comes out of a camera that codes it like this."""
    buffer = BytesIO()
    height, width = rgb.shape[:2]
    with av.open(buffer, "w", format="matroska") as container:
        options = {"crf": "4", "preset": "veryfast"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=30, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.colorspace = colorspace
        stream.codec_context.color_range = color_range
        frame = VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
            format=pixel_format, dst_colorspace=colorspace, dst_color_range=color_range
        )
        frame.pts, frame.time_base = 0, Fraction(1, 30)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r") as recorded:
        return AvPicture(next(recorded.decode(video=0)))


def jpeg_error(picture: AvPicture, rgb: Rgb) -> tuple[float, float]:
    """(mean absolute error, largest error of a channel's mean), grey levels."""
    data = SimpleJpegEncoder().encode_jpeg(picture, quality=95)
    back = simplejpeg.decode_jpeg(data, colorspace="RGB")
    assert back.shape == rgb.shape
    difference = back.astype(np.int16) - rgb
    return float(np.abs(difference).mean()), float(np.abs(difference.mean(axis=(0, 1))).max())


WAYS = [
    ("libx264", "yuv420p", BT601, LIMITED),
    ("libx264", "yuv420p", BT709, LIMITED),
    ("libx264", "yuvj420p", BT601, FULL),
    ("libx264", "yuvj420p", BT709, FULL),
    ("libx264", "yuv422p", BT709, LIMITED),
    ("libx264", "yuvj444p", BT601, FULL),
    ("libx264", "yuv420p10le", BT709, LIMITED),
    ("mjpeg", "yuvj420p", BT601, FULL),
    ("mjpeg", "yuvj422p", BT601, FULL),
]


@pytest.mark.parametrize(("codec", "pixel_format", "colorspace", "color_range"), WAYS)
def test_a_jpeg_has_the_colours_of_the_scene(codec: str, pixel_format: str, colorspace: int, color_range: int) -> None:
    rgb = reference(320, 192)
    picture = coded(rgb, codec=codec, pixel_format=pixel_format, colorspace=colorspace, color_range=color_range)
    error, bias = jpeg_error(picture, rgb)
    # Washed out (limited range taken for full) costs about 10, the wrong matrix about 5.
    assert error < 3.0
    assert bias < 2.5


@pytest.mark.parametrize(("codec", "pixel_format", "colorspace", "color_range"), WAYS)
def test_the_detectors_input_has_the_colours_of_the_scene(
    codec: str, pixel_format: str, colorspace: int, color_range: int
) -> None:
    rgb = reference(320, 192)
    picture = coded(rgb, codec=codec, pixel_format=pixel_format, colorspace=colorspace, color_range=color_range)
    blue, green, red = SwscalePictureScaler().scale_planar(picture, width=320, height=192)
    difference = np.stack([red, green, blue], axis=2).astype(np.int16) - rgb
    assert float(np.abs(difference).mean()) < 3.0


@pytest.mark.parametrize("size_wh", [(33, 17), (320, 191), (319, 192), (319, 191), (2, 2), (1, 1)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuvj444p", "rgb24", "gray"])
def test_odd_sizes_keep_every_row_and_column(size_wh: tuple[int, int], pixel_format: str) -> None:
    width, height = size_wh
    rgb = reference(width, height)
    picture = AvPicture(VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixel_format))
    assert (picture.width, picture.height) == size_wh
    assert picture.luma().shape == (height, width)
    back = simplejpeg.decode_jpeg(SimpleJpegEncoder().encode_jpeg(picture, quality=95), colorspace="RGB")
    assert back.shape == (height, width, 3)
    if width > 30 and pixel_format != "gray":
        assert float(np.abs(back[:, -1].astype(np.int16) - rgb[:, -1]).mean()) < 12.0, "the last column is not its own"
        assert float(np.abs(back[-1].astype(np.int16) - rgb[-1]).mean()) < 12.0, "the last row is not its own"


def grey_ramp() -> NDArray[np.uint8]:
    return np.tile(np.arange(16, 236, dtype=np.uint8), (24, 1))


@pytest.mark.parametrize(
    "pixel_format",
    ["yuv422p", "yuv444p", "nv12", "yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le", "yuyv422", "uyvy422"],
)
def test_luma_is_the_same_in_every_format_of_the_same_range(pixel_format: str) -> None:
    levels = np.vstack([grey_ramp(), np.full((12, 220), 128, np.uint8)])
    eight_bit = VideoFrame.from_ndarray(levels, format="yuv420p")
    luma = AvPicture(eight_bit.reformat(format=pixel_format)).luma()
    assert luma.dtype == np.uint8
    assert int(np.abs(luma.astype(np.int16) - grey_ramp()).max()) <= 1


@pytest.mark.parametrize("pixel_format", ["gray", "gray10le", "rgb24", "bgr0", "gbrp"])
def test_luma_of_grey_and_rgb_pictures(pixel_format: str) -> None:
    frame = VideoFrame.from_ndarray(grey_ramp(), format="gray").reformat(format=pixel_format)
    luma = AvPicture(frame).luma()
    assert int(np.abs(luma.astype(np.int16) - grey_ramp()).max()) <= 2


def test_luma_is_a_view_and_is_made_once() -> None:
    frame = VideoFrame.from_ndarray(np.zeros((36, 32), np.uint8), format="yuv420p")
    picture = AvPicture(frame)
    assert not picture.luma().flags.owndata
    converted = AvPicture(frame.reformat(format="yuv420p10le"))
    assert converted.luma() is converted.luma()


def test_asking_for_luma_does_not_change_what_a_jpeg_shows() -> None:
    rgb = reference(320, 192)
    picture = coded(rgb, pixel_format="yuv420p10le", colorspace=BT709)
    before = SimpleJpegEncoder().encode_jpeg(picture, quality=90)
    picture.luma()
    assert SimpleJpegEncoder().encode_jpeg(picture, quality=90) == before


def test_quality_is_what_it_is_called() -> None:
    picture = picture_from_rgb(reference(320, 192))
    sizes = [len(SimpleJpegEncoder().encode_jpeg(picture, quality=quality)) for quality in (10, 50, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 2


def test_a_scaled_picture_has_the_size_asked_for_and_outlives_the_original() -> None:
    scaler = SwscalePictureScaler()
    picture = picture_from_rgb(np.full((90, 160, 3), (200, 100, 50), np.uint8))
    for width, height in ((64, 36), (96, 54), (33, 17), (64, 36)):
        planes = scaler.scale_planar(picture, width=width, height=height)
        assert [plane.shape for plane in planes] == [(height, width)] * 3
    del picture
    assert [round(float(plane.mean()) / 10) * 10 for plane in planes] == [50, 100, 200]


@pytest.mark.parametrize("image_format", ["jpeg", "png"])
def test_an_image_file_becomes_a_picture(image_format: str) -> None:
    rgb = reference(64, 48)
    if image_format == "jpeg":
        data = simplejpeg.encode_jpeg(rgb, quality=98, colorspace="RGB", colorsubsampling="444")
    else:
        context = av.CodecContext.create("png", "w")
        assert isinstance(context, av.VideoCodecContext)
        context.width, context.height, context.pix_fmt, context.time_base = 64, 48, "rgb24", Fraction(1, 1)
        data = b"".join(bytes(packet) for packet in context.encode(VideoFrame.from_ndarray(rgb, format="rgb24")))
    picture = picture_from_image(data)
    assert (picture.width, picture.height) == (64, 48)
    assert jpeg_error(picture, rgb)[0] < 3.0


def test_a_jpeg_that_is_read_and_written_again_stays_what_it_was() -> None:
    rgb = reference(320, 192)
    first = SimpleJpegEncoder().encode_jpeg(picture_from_rgb(rgb), quality=95)
    again = picture_from_image(first)
    assert av_frame(again).format.name == "yuvj420p", "the direct way is not the one under test"
    error, bias = jpeg_error(again, rgb)
    assert error < 3.0
    assert bias < 2.5


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0 cut off", b"\x89PNG\r\n\x1a\n"])
def test_data_that_are_no_picture_are_refused(data: bytes) -> None:
    with pytest.raises(DomainError, match="not a picture"):
        picture_from_image(data)


def test_a_picture_of_another_adapter_is_refused() -> None:
    with pytest.raises(DomainError, match="ScriptedPicture"):
        SimpleJpegEncoder().encode_jpeg(ScriptedPicture(), quality=90)
    with pytest.raises(DomainError, match="ScriptedPicture"):
        SwscalePictureScaler().scale_planar(ScriptedPicture(), width=32, height=32)
