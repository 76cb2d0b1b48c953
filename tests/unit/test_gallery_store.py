"""What the dashboard remembers: bounded, fair, and gone when its capture is."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox_rigs import capture_id_of, capture_of
from vigia.application.errors import OutboxUnavailable
from vigia.application.gallery_parcels import PARCEL_BYTES, WAITING_BYTES_MAX, WAITING_MAX, ParcelBox
from vigia.application.gallery_store import CAPTURES_BYTES_MAX, FORGOTTEN_MAX, GalleryStore, WatchedStore
from vigia.application.gallery_values import Candidate, GalleryItem, PassageSheet, ShotKey, ShotPictures, TrackKey
from vigia.application.gallery_view import UnsentQuery
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture
from vigia.domain.errors import TransitionError
from vigia.infrastructure.process.channel import packed
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock

MEBIBYTE = 1 << 20
AT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def sheet_of(
    number: int,
    camera: str = "gate",
    *,
    fate: str | None = "filtered",
    reason: str | None = "too_small",
    size: int = 8000,
) -> PassageSheet:
    """A track with a face of ``size`` bytes."""
    best = Candidate(5, 0.5, 0.4, {"size": 0.3}, 0.9, 44.0, face=bytes(size))
    return PassageSheet(
        TrackKey(CameraId(camera), number),
        began_utc=AT,
        duration_s=2.0,
        events=9,
        moved_px=70.0,
        best=best if fate == "filtered" else replace(best, face=None),
        fate=fate,
        reason=reason,
        candidates=() if fate == "filtered" else (best, replace(best, frame_index=6, at_s=0.7)),
    )


def shot_of(number: int, camera: str = "gate", *, frame: int = 5, size: int = 8000) -> ShotPictures:
    return ShotPictures(ShotKey(TrackKey(CameraId(camera), number), frame), face=bytes(size), frame=bytes(10 * size))


def committed(number: int, camera: str = "gate", *, frame: int = 5) -> Capture:
    return replace(capture_of(number, camera), details={"frame_index": frame})


def test_a_capture_is_found_by_its_id_whatever_came_first() -> None:
    store = GalleryStore(MEBIBYTE)
    store.take(shot_of(1))
    store.captured(committed(1))
    store.captured(committed(2))
    store.take(shot_of(2))
    store.take(sheet_of(2, fate="captured", reason=None))
    for number in (1, 2):
        shot = store.shot(capture_id_of(number))
        assert shot == ShotKey(TrackKey(CameraId("gate"), number), 5)
        assert store.face(shot) == bytes(8000)
        assert store.frame(shot) == bytes(80_000)
    sheet = store.sheet(TrackKey(CameraId("gate"), 2))
    assert sheet is not None
    assert len(sheet.candidates) == 2
    assert store.shot(capture_id_of(3)) is None


def test_what_is_forgotten_is_gone_with_its_candidates() -> None:
    store = GalleryStore(MEBIBYTE)
    store.captured(committed(1))
    store.take(shot_of(1))
    store.take(sheet_of(1, fate=None, reason=None))
    store.forget(capture_id_of(1))
    store.forget(capture_id_of(1))
    assert store.size_bytes == 0


def test_a_track_of_several_captures_keeps_the_candidates_of_those_that_stay() -> None:
    store = GalleryStore(MEBIBYTE)
    store.captured(committed(1))
    store.captured(replace(committed(2, frame=6), track_id=committed(1).track_id))
    store.captured(committed(3))  # another track
    store.take(shot_of(1))
    store.take(shot_of(1, frame=6))
    store.take(sheet_of(1, fate=None, reason=None))
    track = TrackKey(CameraId("gate"), 1)
    before = store.size_bytes

    store.forget(capture_id_of(1))

    sheet = store.sheet(track)
    assert sheet is not None
    assert [(one.frame_index, one.face is None) for one in sheet.candidates] == [(5, True), (6, False)]
    assert store.face(ShotKey(track, 5)) is None
    assert store.face(ShotKey(track, 6)) is not None
    assert store.size_bytes < before - 2 * 8000 - 80_000

    store.take(sheet_of(1, fate="captured", reason=None))  # the track went on, and is told again
    store.take(shot_of(1))  # late
    sheet = store.sheet(track)
    assert sheet is not None
    assert [one.face is None for one in sheet.candidates] == [True, False]
    assert store.face(ShotKey(track, 5)) is None
    store.forget(capture_id_of(2))
    assert store.sheet(track) is None
    store.forget(capture_id_of(3))
    assert store.size_bytes == 0


def test_what_a_person_removed_is_remembered_within_bounds() -> None:
    store = GalleryStore(MEBIBYTE)
    for number in range(FORGOTTEN_MAX + 5):
        store.captured(committed(number))
        store.forget(capture_id_of(number))
    store.take(shot_of(0))
    store.take(shot_of(FORGOTTEN_MAX + 4))
    assert store.face(shot_of(0).shot) is not None
    assert store.face(shot_of(FORGOTTEN_MAX + 4).shot) is None


def test_what_is_too_old_is_let_go() -> None:
    clock = SimClock()
    store = GalleryStore(MEBIBYTE, clock=clock, age_max_s=100.0)

    def tell(number: int) -> None:
        store.captured(committed(number))
        for item in (shot_of(number), sheet_of(number, fate="captured", reason=None), sheet_of(number)):
            store.take(item)

    tell(1)
    clock.advance(60.0)
    tell(2)
    assert store.step() > 0.0
    assert len(store.unsent(UnsentQuery())) == 2
    clock.advance(41.0)
    store.step()
    assert [told.sheet.track.track_id for told in store.unsent(UnsentQuery())] == [2]
    assert [store.shot(capture_id_of(number)) is None for number in (1, 2)] == [True, False]
    assert [store.face(shot_of(number).shot) is None for number in (1, 2)] == [True, False]
    assert [store.frame(shot_of(number).shot) is None for number in (1, 2)] == [True, False]
    assert [store.sheet(shot_of(number).shot.track) is None for number in (1, 2)] == [True, False]
    clock.advance(60.0)
    store.step()
    assert store.size_bytes == 0


def test_without_an_age_all_stays_while_there_is_room() -> None:
    clock = SimClock()
    store = GalleryStore(MEBIBYTE, clock=clock)
    store.take(sheet_of(1))
    clock.advance(1e7)
    store.step()
    assert store.unsent_face(1) is not None


def test_unsent_tracks_come_newest_first_by_camera_and_reason_and_in_pages() -> None:
    store = GalleryStore(MEBIBYTE)
    for number in range(6):
        store.take(
            sheet_of(number, camera="a" if number % 2 else "b", reason="too_small" if number < 4 else "duplicate")
        )
    store.take(sheet_of(6, camera="a", fate="lost", reason=None))

    def found(**query: object) -> list[int]:
        return [told.sheet.track.track_id for told in store.unsent(UnsentQuery(**query))]  # type: ignore[arg-type]

    assert found() == [6, 5, 4, 3, 2, 1, 0]
    assert found(camera_id=CameraId("a")) == [6, 5, 3, 1]
    assert found(reason="duplicate") == [5, 4]
    assert found(reason="lost") == [6]
    first = store.unsent(UnsentQuery(limit=3))
    assert [told.number for told in first] == [7, 6, 5]
    assert found(limit=2, before=first[-1].number) == [3, 2]
    assert store.unsent_face(1) == bytes(8000)
    assert store.unsent_face(7) is None
    assert store.unsent_face(99) is None


ITEMS = st.lists(
    st.builds(
        lambda kind, number, camera, size: (
            shot_of(number, camera, size=size)
            if kind == "shot"
            else sheet_of(number, camera, fate=kind if kind != "open" else None, size=size)
        ),
        st.sampled_from(["shot", "filtered", "captured", "open"]),
        st.integers(0, 30),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 20_000),
    ),
    max_size=80,
)


@given(items=ITEMS, bytes_max=st.sampled_from([0, 10_000, 200_000, MEBIBYTE]))
def test_memory_is_bounded_whatever_comes(items: list[GalleryItem], bytes_max: int) -> None:
    store = GalleryStore(bytes_max)
    for item in items:
        store.take(item)
        assert store.size_bytes <= bytes_max
    before = store.size_bytes
    assert 0 <= store.shed() <= before
    assert store.size_bytes <= before


def test_ids_are_bounded_too() -> None:
    store = GalleryStore(MEBIBYTE)
    for number in range(25_000):
        store.captured(committed(number))
    assert store.size_bytes <= CAPTURES_BYTES_MAX
    assert store.shot(capture_id_of(0)) is None
    assert store.shot(capture_id_of(24_999)) is not None


def test_shedding_keeps_faces() -> None:
    store = GalleryStore(MEBIBYTE)
    store.captured(committed(1))
    for item in (shot_of(1), sheet_of(1, fate="captured", reason=None), sheet_of(2)):
        store.take(item)
    assert store.shed() > 80_000
    shot = store.shot(capture_id_of(1))
    assert shot is not None
    assert store.face(shot) is not None
    assert store.frame(shot) is None
    assert store.unsent_face(1) is not None


def test_a_watched_store_tells_of_what_is_on_disk_and_of_nothing_else() -> None:
    clock, gallery = SimClock(), GalleryStore(MEBIBYTE)
    outbox = MemoryOutbox(clock)
    store = WatchedStore(outbox, gallery)
    outbox.fault = OutboxUnavailable("disk full")
    with pytest.raises(OutboxUnavailable):
        store.commit(committed(1))
    assert gallery.shot(capture_id_of(1)) is None
    outbox.fault = None
    outbox.commit(committed(1))  # though it was told as failed
    with pytest.raises(TransitionError):
        store.commit(committed(1))
    assert gallery.shot(capture_id_of(1)) is not None
    store.commit(committed(2))
    assert gallery.shot(capture_id_of(2)) is not None


# From a worker to its parent


@given(items=ITEMS)
def test_everything_arrives_in_order_where_the_parent_reads(items: list[GalleryItem]) -> None:
    box = ParcelBox()
    for item in items[:20]:
        box.put(item)
    arrived: list[GalleryItem] = []
    while (news := box.take()) is not None:
        assert len(news.items) == 1 or sum(item.size_bytes for item in news.items) <= PARCEL_BYTES
        assert len(packed(news)) <= 2 * max(PARCEL_BYTES, news.items[0].size_bytes)
        if len(arrived) % 3 == 1:
            box.put_back(news)
            news = box.take()
            assert news is not None
        arrived += news.items
    assert arrived == items[:20]
    assert box.dropped == 0


def test_what_waits_for_a_parent_that_does_not_read_is_bounded() -> None:
    box = ParcelBox()
    for number in range(WAITING_MAX + 100):
        box.put(shot_of(number, size=2000))
        box.put(sheet_of(number, size=20_000))
    arrived: list[GalleryItem] = []
    while (news := box.take()) is not None:
        arrived += news.items
    assert box.dropped > 100
    assert len(arrived) <= WAITING_MAX
    assert sum(item.size_bytes for item in arrived) <= WAITING_BYTES_MAX
    last = arrived[-1]
    assert isinstance(last, PassageSheet)
    assert (last.track.track_id, last.best.face) == (WAITING_MAX + 99, None)  # the newest, without its picture
