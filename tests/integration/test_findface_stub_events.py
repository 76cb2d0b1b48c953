"""The FindFace stand-in over real sockets: what it takes as an event and what it refuses."""

import hashlib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
import simplejpeg

from vigia.application.ports import Clock
from vigia.testing.findface_stub import ADD_EVENT_PATH, FindFaces, StubCamera, StubGroup, StubServer, StubSettings
from vigia.testing.findface_stub.event_store import Ltrb
from vigia.testing.sim_clock import SimClock

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # spares httpx loading certificates that nothing here needs
WIDTH, HEIGHT = 320, 240
NO_FACE = 'Zero objects(type="face") detected on the provided image'
AT = "2026-03-01T12:00:00.123456-03:00"
AT_UTC = "2026-03-01T15:00:00.123456Z"


def picture(*, width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    pixels = np.ascontiguousarray(noise.repeat(8, axis=0).repeat(8, axis=1)[:height, :width])
    return bytes(simplejpeg.encode_jpeg(pixels, quality=80))


def coded(codec: str, pixel_format: str, options: dict[str, str] | None = None) -> bytes:
    """A real PNG or WEBP of WIDTH x HEIGHT with an alpha that varies."""
    pixels = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 4), dtype=np.uint8)
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, pixel_format
    encoder.time_base = Fraction(1)
    encoder.options = options or {}
    frame = av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(format=pixel_format)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


JPEG = picture()


class ScriptedFinder:
    """Finds what it was told to, and keeps what it was asked. Owner: the stand-in's finder lane."""

    def __init__(self) -> None:
        self.boxes: Sequence[Sequence[float]] | None = None
        self.asked: list[tuple[str, Ltrb | None]] = []

    def __call__(self, data: bytes, roi_ltrb: Ltrb | None) -> Sequence[Sequence[float]]:
        self.asked.append((hashlib.sha256(data).hexdigest(), roi_ltrb))
        if self.boxes is None:
            return [roi_ltrb or (0, 0, WIDTH, HEIGHT)]
        return self.boxes


class Sender:
    """Posts events to a stand-in as a client would."""

    def __init__(self, stub: StubServer, finder: FindFaces) -> None:
        self.stub = stub
        self.finder = finder if isinstance(finder, ScriptedFinder) else ScriptedFinder()
        self.http = httpx.Client(base_url=stub.url, verify=NO_TLS)
        answer = self.http.post("/auth/login/", auth=("operator", "pw"), json={"uuid": "vigia-1"})
        self.http.headers["Authorization"] = f"Token {answer.json()['token']}"

    def add(self, *, data: bytes = JPEG, without: Sequence[str] = (), **fields: Any) -> httpx.Response:
        form = {
            "token": "a" * 32,
            "camera": "1",
            "mf_selector": "biggest",
            "roi": [20, 30, 220, 200],
            "timestamp": AT,
            **fields,
        }
        sent = {name: value for name, value in form.items() if name not in without}
        files = {} if "fullframe" in without else {"fullframe": ("shot.jpg", data, "image/jpeg")}
        return self.http.post(ADD_EVENT_PATH, data=sent, files=files)

    def add_one(self, **fields: Any) -> str:
        answer = self.add(**fields)
        assert answer.status_code == 200, answer.text
        (event_id,) = answer.json()["events"]
        return str(event_id)


def settings_in(data_dir: Path) -> StubSettings:
    return StubSettings(
        data_dir=data_dir,
        user="operator",
        password="pw",
        groups=(StubGroup(id=1, name="vigia"), StubGroup(id=2, name="other")),
        cameras=(
            StubCamera(id=1, name="gate", group=1, token="a" * 32),
            StubCamera(id=2, name="hall", group=2, token="b" * 32),
            StubCamera(id=3, name="plain", group=1, token="c" * 32, external_detector=False),
            StubCamera(id=4, name="asleep", group=1, token="d" * 32, active=False),
        ),
    )


@contextmanager
def sending(data_dir: Path, finder: FindFaces, clock: Clock | None = None) -> Iterator[Sender]:
    with StubServer(settings_in(data_dir), find_faces=finder, clock=clock) as stub:
        sender = Sender(stub, finder)
        try:
            yield sender
        finally:
            sender.http.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    """For the tests whose events do not matter to each other."""
    with sending(tmp_path_factory.mktemp("shared"), ScriptedFinder()) as sender:
        yield sender


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    with sending(tmp_path / "stub", ScriptedFinder()) as sender:
        yield sender


def refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    body = answer.json()
    assert {"traceback", "code", "desc"} <= set(body)
    return answer.status_code, body["code"], body.get("param")


def test_an_event_is_taken_and_kept_as_sent(sender: Sender) -> None:
    event_id = sender.add_one(temperature="36.6")
    assert 2**62 < int(event_id) < 2**63
    (kept,) = sender.stub.events()
    assert kept["id"] == event_id
    assert (kept["camera"], kept["timestamp"], kept["roi"]) == (1, AT_UTC, [20, 30, 220, 200])
    assert kept["sha256"] == hashlib.sha256(JPEG).hexdigest()
    assert (kept["width"], kept["height"], kept["bytes"]) == (WIDTH, HEIGHT, len(JPEG))
    event = sender.http.get(f"/events/faces/{event_id}/").json()
    assert (event["id"], event["camera"], event["camera_group"]) == (event_id, 1, 1)
    assert (event["created_date"], event["temperature"], event["external_detector"]) == (AT_UTC, 36.6, True)
    assert [event[f"frame_coords_{side}"] for side in ("left", "top", "right", "bottom")] == [20, 30, 220, 200]
    with httpx.Client(verify=NO_TLS) as anonymous:
        assert anonymous.get(event["fullframe"]).content == JPEG
        thumbnail = anonymous.get(event["thumbnail"])
    height, width, _, _ = simplejpeg.decode_jpeg_header(thumbnail.content)
    assert (width, height) == (20 + 200 + 60, 30 + 170 + 40), "the face with a margin, cut at the picture's edge"
    assert sender.finder.asked == [(kept["sha256"], (20, 30, 220, 200))]


def test_the_camera_token_alone_authorises(shared: Sender) -> None:
    form = {"token": "a" * 32, "camera": "1", "mf_selector": "all"}
    url = f"{shared.stub.url}{ADD_EVENT_PATH}"
    files = {"fullframe": ("shot.jpg", JPEG, "image/jpeg")}
    assert httpx.post(url, verify=NO_TLS, data=form, files=files).status_code == 200
    stale = httpx.post(url, verify=NO_TLS, data=form, files=files, headers={"Authorization": "Token stale"})
    assert refusal(stale) == (401, "UNAUTHORIZED", None)


def test_a_session_can_be_demanded_for_events_too(tmp_path: Path) -> None:
    with StubServer(replace(settings_in(tmp_path), require_session=True)) as stub:
        answer = httpx.post(verify=NO_TLS, url=f"{stub.url}{ADD_EVENT_PATH}", data={"token": "a" * 32})
        assert refusal(answer) == (401, "UNAUTHORIZED", None)


@pytest.mark.parametrize("name", ["token", "fullframe", "camera", "mf_selector"])
def test_a_missing_field_is_named(shared: Sender, name: str) -> None:
    assert refusal(shared.add(without=[name])) == (400, "BAD_PARAM", name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token", "  "),
        ("camera", "99"),
        ("camera", "9" * 30),
        ("camera", "gate"),
        ("camera", "3"),
        ("mf_selector", "smallest"),
        ("mf_selector", ""),
        ("rotate", "perhaps"),
        ("timestamp", "yesterday"),
        ("timestamp", "2026-03-01"),
        ("timestamp", "2026-02-30T12:00:00Z"),
        ("timestamp", "0001-01-01T00:00:00+14:00"),
        ("temperature", "warm"),
        ("temperature", "nan"),
        ("liveness", "inf"),
        ("roi", "[20, 30, 220, 200]"),
        ("roi", ["20", "30", "220"]),
        ("roi", ["20", "30", "220", "200", "1"]),
        ("roi", ["20", "30", "220.5", "200"]),
        ("roi", ["-1", "30", "220", "200"]),
        ("roi", ["220", "30", "20", "200"]),
        ("roi", ["0", "0", "321", "240"]),
        ("roi", ["0", "0", "320", "241"]),
    ],
)
def test_a_wrong_field_is_named(shared: Sender, name: str, value: Any) -> None:
    before = len(shared.stub.events())
    token = {"camera": {"3": "c" * 32}}.get(name, {}).get(str(value), "a" * 32)
    assert refusal(shared.add(**{"token": token, name: value})) == (400, "BAD_PARAM", name)
    assert len(shared.stub.events()) == before, "nothing was stored"


@pytest.mark.parametrize(
    ("fields", "timestamp"),
    [
        ({"timestamp": "2026-03-01T12:00:00Z"}, "2026-03-01T12:00:00.000000Z"),
        ({"timestamp": "2026-03-01 12:00:00.5+02"}, "2026-03-01T10:00:00.500000Z"),
        ({"timestamp": "2026-03-01T12:00:00"}, "2026-03-01T12:00:00.000000Z"),
        ({"timestamp": "2026-03-01T12:00:00.123456789Z"}, "2026-03-01T12:00:00.123456Z"),
        ({"timestamp": ""}, None),
        ({"rotate": "False", "liveness": "0.5", "unknown": "field"}, AT_UTC),
        ({"camera": "4", "token": "d" * 32}, AT_UTC),
    ],
)
def test_what_is_in_order_is_taken(shared: Sender, fields: dict[str, str], timestamp: str | None) -> None:
    event_id = shared.add_one(**fields)
    (kept,) = [event for event in shared.stub.events() if event["id"] == event_id]
    assert kept["timestamp"] == timestamp


def test_the_region_may_be_indexed_or_absent(shared: Sender) -> None:
    indexed = {f"roi[{place}]": str(side) for place, side in enumerate((0, 0, 100, 100))}
    for fields, region in ((indexed, (0, 0, 100, 100)), ({}, None)):
        shared.add_one(without=["roi"], **fields)
        assert shared.finder.asked[-1][1] == region


def test_an_event_without_a_timestamp_is_dated_by_its_arrival(tmp_path: Path) -> None:
    clock = SimClock()
    with sending(tmp_path, ScriptedFinder(), clock) as sender:
        sender.add_one(without=["timestamp"])
        (kept,) = sender.stub.events()
    assert kept["created_date"] == clock.utc().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert kept["timestamp"] is None


@pytest.mark.parametrize("token", ["b" * 32, "A" * 32, "x"])
def test_a_wrong_camera_token_is_forbidden(shared: Sender, token: str) -> None:
    assert refusal(shared.add(token=token)) == (403, "PERMISSION_DENIED", None)


@pytest.mark.parametrize(
    "boxes",
    [
        [],
        [(50, 50, 99, 150)],  # one pixel too narrow
        [(225, 100, 300, 200)],  # beside the region
        [(-60, 60, 40, 160)],  # 40 px are left of it inside the picture
    ],
)
def test_no_face_where_it_looks_is_refused(shared: Sender, boxes: list[Ltrb]) -> None:
    shared.finder.boxes = boxes
    try:
        answer = shared.add(roi=[0, 0, 220, 240])
    finally:
        shared.finder.boxes = None
    assert refusal(answer) == (400, "BAD_PARAM", "fullframe")
    assert answer.json()["desc"] == NO_FACE


def test_biggest_takes_one_face_and_all_takes_each(sender: Sender) -> None:
    sender.finder.boxes = [(20, 20, 80, 80), (100, 20, 200, 140), (220, 20, 250, 50)]
    whole = [0, 0, WIDTH, HEIGHT]
    sender.add_one(roi=whole, mf_selector="biggest")
    both = sender.add(roi=whole, mf_selector="all", timestamp="2026-03-01T16:00:00Z").json()
    assert len(both["events"]) == 2
    assert both["errors"] == []
    boxes = [event["box"] for event in sender.stub.events()]
    assert boxes == [[100, 20, 200, 140], [100, 20, 200, 140], [20, 20, 80, 80]]
    assert sender.stub.stats()["duplicates"] == 0, "two faces of one picture are no duplicates"
    assert (sender.stub.stats()["posts"], sender.stub.stats()["events"]) == (2, 3)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("png", coded("png", "rgba")),
        ("webp", coded("libwebp", "yuv420p")),
        ("webp", coded("libwebp", "bgra", {"lossless": "1"})),
        ("webp", coded("libwebp", "yuva420p")),
    ],
)
def test_png_and_webp_are_taken(shared: Sender, kind: str, data: bytes) -> None:
    event_id = shared.add_one(data=data)
    (kept,) = [event for event in shared.stub.events() if event["id"] == event_id]
    assert (kept["format"], kept["width"], kept["height"]) == (kind, WIDTH, HEIGHT)
    event = shared.http.get(f"/events/faces/{event_id}/").json()
    for url in (event["fullframe"], event["thumbnail"]):
        answer = shared.http.get(url)
        assert (answer.content, answer.headers["content-type"]) == (data, f"image/{kind}")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"GIF89a" + bytes(100),
        JPEG[:200],
        JPEG[: len(JPEG) // 2],
        b"\x89PNG\r\n\x1a\n" + bytes(20),
        b"RIFF" + bytes(4) + b"WEBPVP9 " + bytes(20),
    ],
)
def test_what_is_no_whole_picture_is_refused(shared: Sender, data: bytes) -> None:
    assert refusal(shared.add(data=data)) == (400, "BAD_PARAM", "fullframe")


def test_a_finder_that_cannot_decode_makes_a_refusal_not_a_fault(tmp_path: Path) -> None:
    def finder(_data: bytes, _roi: Ltrb | None) -> Sequence[Sequence[float]]:
        raise ValueError("no such codec")

    with sending(tmp_path, finder) as sender:
        assert refusal(sender.add()) == (400, "BAD_PARAM", "fullframe")


def test_a_text_is_no_file(shared: Sender) -> None:
    answer = shared.add(without=["fullframe"], fullframe="text")
    assert refusal(answer) == (400, "BAD_PARAM", "fullframe")


def test_a_broken_form_is_refused(shared: Sender) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = shared.http.post(ADD_EVENT_PATH, content=b"--x\r\nnonsense", headers=headers)
    assert refusal(answer)[:2] == (400, "BAD_PARAM")


def test_the_longest_side_has_a_limit(shared: Sender) -> None:
    small_roi = [0, 0, 60, 60]
    assert shared.add(data=picture(width=6000, height=64), roi=small_roi).status_code == 200
    assert refusal(shared.add(data=picture(width=64, height=6001), roi=small_roi)) == (400, "BAD_PARAM", "fullframe")


def test_ten_megabytes_are_taken_and_no_more(shared: Sender) -> None:
    limit = 10 * 1024 * 1024
    exactly = JPEG + bytes(limit - len(JPEG))
    assert shared.add(data=exactly).status_code == 200
    assert refusal(shared.add(data=exactly + b"\0")) == (400, "BAD_PARAM", "fullframe")


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_beyond_the_proxys_limit_is_answered_in_html(shared: Sender, *, declared: bool) -> None:
    body = bytes(17 * 1024 * 1024)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    content = body if declared else iter([b"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n", body])
    answer = httpx.post(
        verify=NO_TLS, url=f"{shared.stub.url}{ADD_EVENT_PATH}", content=content, headers=headers, timeout=30
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"].startswith("text/html")


def test_a_duplicate_is_taken_and_counted(sender: Sender) -> None:
    first, second = sender.add_one(), sender.add_one(timestamp=AT_UTC)
    assert first != second, "FindFace has no idempotency key"
    sender.add_one(camera="2", token="b" * 32)
    assert [event["duplicate"] for event in sender.stub.events()] == [False, True, False]
    stats = sender.stub.stats()
    assert stats["duplicates"] == 1
    assert [(camera["id"], camera["duplicates"]) for camera in stats["cameras"]] == [(1, 1), (2, 0)]


def test_refusals_are_counted_by_camera_and_reason(sender: Sender) -> None:
    sender.finder.boxes = []
    sender.add()
    sender.add()
    sender.add(token="x")
    sender.add(camera="99")
    sender.add(camera="2", token="b" * 32, roi="[1]")
    stats = sender.stub.stats()
    assert (stats["zero_objects"], stats["refused"], stats["events"]) == (2, 5, 0)
    assert {camera["id"]: camera["refused"] for camera in stats["cameras"]} == {
        0: {"camera": 1},
        1: {"camera_token": 1, "no_face": 2},
        2: {"roi": 1},
    }
    assert stats["calls"][f"POST {ADD_EVENT_PATH} 400"] == 4
