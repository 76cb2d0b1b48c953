"""How a URL is opened: what FFmpeg is told."""

import pytest

from vigia.infrastructure.video.source_options import SourceOptions, open_arguments


@pytest.mark.parametrize("url", ["/data/x.mp4", "file:///data/x.mp4", "clip.mp4"])
def test_a_file_is_opened_as_it_is(url: str) -> None:
    arguments = open_arguments(url, SourceOptions())
    assert (arguments.url, arguments.container_format, arguments.options) == (url, None, {})


@pytest.mark.parametrize(("url", "device"), [("webcam:3", "/dev/video3"), ("/dev/video1", "/dev/video1")])
def test_a_webcam_is_a_device(url: str, device: str) -> None:
    arguments = open_arguments(url, SourceOptions())
    assert (arguments.url, arguments.container_format) == (device, "v4l2")


def test_of_rtsp_only_the_pictures_are_asked_for_and_sockets_have_a_limit() -> None:
    options = open_arguments("rtsp://host/1", SourceOptions(open_timeout_s=4.0, read_timeout_s=7.0)).options
    assert options["allowed_media_types"] == "video"
    assert options["rtsp_transport"] == "tcp"
    assert int(options["timeout"]) == 9_000_000, "after PyAV's own limits"
    assert open_arguments("RTSP://host/1", SourceOptions(rtsp_transport="udp")).options["rtsp_transport"] == "udp"


def test_only_rtsp_is_told_of_rtsp() -> None:
    assert "rtsp_transport" not in open_arguments("http://host/live", SourceOptions()).options


def test_certificates_are_verified_when_asked_for() -> None:
    assert open_arguments("rtsps://host/1", SourceOptions()).options["tls_verify"] == "0"
    chosen = open_arguments("https://host/1", SourceOptions(tls_verify=True, tls_ca_file="/etc/ca.pem")).options
    assert (chosen["tls_verify"], chosen["ca_file"]) == ("1", "/etc/ca.pem")


@pytest.mark.parametrize(("open_s", "probe_us"), [(10.0, 5_000_000), (2.0, 1_400_000)])
def test_probing_ends_before_the_time_for_opening_is_over(open_s: float, probe_us: int) -> None:
    options = open_arguments("rtsp://host/1", SourceOptions(open_timeout_s=open_s)).options
    assert int(options["analyzeduration"]) == probe_us
