"""Crops, from a camera to the stand-in: what is posted is small, and what is judged is the camera's picture."""

import json
from pathlib import Path
from urllib.request import urlopen

import pytest

from vigia.bench.context import BenchContext
from vigia.bench.site import camera_name, open_site
from vigia.bench.site_clips import site_cameras
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.outbox import SqliteOutbox

FRAME_WH = (640, 360)


def test_a_crop_is_taken_and_its_passage_is_known(tmp_path: Path, clips: list[DemoClip]) -> None:
    context = BenchContext(tmp_path, quick=True)
    cameras = site_cameras(clips, count=2, folder=tmp_path / "clips", frames=60)
    with open_site(context, model="centerface") as site:
        run = site.run(
            cameras,
            duration_s=8.0,
            capture__picture="crop",
            detector__model="centerface",
            detector__min_face_px=60,
            detector__cadence_k=2,
            tracks__track_miss_interval_s=0.5,
        )
        with urlopen(f"{site.url.rstrip('/')}/_stub/events", timeout=20) as answer:  # noqa: S310 - the stand-in's own address
            events = json.load(answer)["events"]

    passages = run.facts.passages
    assert passages is not None, camera_name(0)
    assert passages.captures + passages.small_captures >= 2
    assert passages.false_captures == 0, "boxes of the posted picture were held against the clip"
    outbox = SqliteOutbox(run.data_dir / "outbox", SystemClock())
    try:
        entries = outbox.entries()
    finally:
        outbox.close()
    assert len(events) == len(entries) == run.facts.status.delivery.delivered
    for entry in entries:
        left, top, right, bottom = entry.details["crop"]
        assert (right - left) * (bottom - top) < FRAME_WH[0] * FRAME_WH[1]
        moved = [edge + shift for edge, shift in zip(entry.box_xyxy, (left, top, left, top), strict=True)]
        assert entry.details["box"] == pytest.approx(moved, abs=1e-3)
    sizes = {(entry.details["crop"][2] - entry.details["crop"][0]) for entry in entries}
    assert {event["width"] for event in events} == sizes
