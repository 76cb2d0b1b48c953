"""When two addresses are of the same camera."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.domain.camera_address import address_key, without_credentials


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rtsp://10.0.0.5/s", "rtsp://ana:p4ss@10.0.0.5/s"),
        ("RTSP://Cam.Example/s", "rtsp://cam.example:554/s"),
        ("http://h:80/video", "http://h/video"),
        ("rtsp://h", "rtsp://h/"),
        ("rtsp://h/s?user=a&password=x", "rtsp://h/s?user=a&password=y"),
        ("rtsp://h/a b", "rtsp://h/a%20b"),
        (" rtsp://h/s ", "rtsp://h/s"),
    ],
)
def test_the_same(one: str, other: str) -> None:
    assert address_key(one) == address_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rtsp://10.0.0.5/s1", "rtsp://10.0.0.5/s2"),
        ("rtsp://10.0.0.5/S", "rtsp://10.0.0.5/s"),
        ("rtsp://10.0.0.5/s?channel=1", "rtsp://10.0.0.5/s?channel=2"),
        ("rtsp://10.0.0.5/s", "rtsp://10.0.0.5:8554/s"),
        ("rtsp://10.0.0.5/s", "rtsps://10.0.0.5/s"),
        ("/videos/a.mp4", "/videos/b.mp4"),
    ],
)
def test_not_the_same(one: str, other: str) -> None:
    assert address_key(one) != address_key(other)


@given(st.text(max_size=60))
def test_any_text_has_a_key_that_is_its_own(text: str) -> None:
    key = address_key(text)
    assert address_key(key) == key


@given(st.from_regex(r"[a-z0-9%]{1,10}:[a-z0-9%@]{1,10}", fullmatch=True))
def test_no_key_and_no_address_without_credentials_holds_the_password(userinfo: str) -> None:
    url = f"rtsp://{userinfo}@host.example/s"
    assert address_key(url) == without_credentials(url) == "rtsp://host.example/s"
