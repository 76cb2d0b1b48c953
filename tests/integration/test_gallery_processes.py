"""Real worker processes tell the dashboard what they sent and what they did not, and never wait for it."""

import contextlib
import threading
from collections.abc import Iterator

import simplejpeg

from making import event_maker
from running import wait_for
from vigia.application.gallery_parcels import ParcelBox
from vigia.application.gallery_values import Candidate, GalleryItem, PassageSheet, TrackKey
from vigia.application.gallery_view import FeedQuery, ShotView, UnsentQuery
from vigia.application.messages import GalleryNews, ShedMemory
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.bootstrap.gallery import RunGallery, run_gallery
from vigia.bootstrap.gallery_pages import GalleryPages
from vigia.bootstrap.parts import resolved_model
from vigia.bootstrap.worker import News, Worker
from vigia.bootstrap.worker_crew import WorkerOptions, _task, worker_crew
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureState
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.combined_cameras import CombinedCameraRepository
from vigia.infrastructure.config.delivery_sections import CameraSettings
from vigia.infrastructure.config.own_settings import OwnSettings
from vigia.infrastructure.config.vision_sections import DetectorSettings, TracksSettings
from vigia.infrastructure.config.web_section import WebSettings
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.process.channel import SocketChannel, channel_pair
from vigia.infrastructure.video.picture import picture_from_image
from vigia.infrastructure.video.small_jpeg import SmallJpegEncoder
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock

CLOCK = SystemClock()
LONG_S = 60.0


def settings_of(clips: list[DemoClip]) -> Settings:
    """Two cameras; nobody is large enough for the second one."""
    own = (OwnSettings(), OwnSettings(filter_min_size=4000.0))
    return Settings(
        detector=DetectorSettings(model="centerface", min_face_px=60, cadence_k=2),
        tracks=TracksSettings(filter_min_size=50, track_miss_interval_s=0.5),
        cameras=tuple(
            CameraSettings(id=f"cam{n}", name=clip.camera_name, url=str(clip.path), loop=True, settings=own[n])
            for n, clip in enumerate(clips)
        ),
    )


@contextlib.contextmanager
def working(settings: Settings, gallery: RunGallery, outbox: MemoryOutbox) -> Iterator[None]:
    crew = worker_crew(
        settings,
        CombinedCameraRepository(settings).list(),
        count=2,
        options=WorkerOptions(model=resolved_model(settings), on_gallery=gallery.take),
        store=gallery.watched(outbox),
        wake_senders=threading.Event().set,
        clock=CLOCK,
    )
    crew.start_cameras()
    try:
        yield
    finally:
        now_s = CLOCK.mono_s()
        crew.stop(begun_s=now_s, deadline_s=now_s + 10.0)
        for service in crew.main_services:
            assert service.join(LONG_S)
    assert not crew.unclean


def test_workers_tell_what_they_sent_and_what_they_did_not(clips: list[DemoClip]) -> None:
    settings = settings_of(clips)
    gallery, outbox = run_gallery(settings, wanted=True, clock=CLOCK), MemoryOutbox(CLOCK)
    pages = GalleryPages(
        outbox,
        gallery.store,
        cameras=CombinedCameraRepository(settings).list,
        decode=picture_from_image,
        encoder=SmallJpegEncoder(),
    )

    def told() -> bool:
        entries = outbox.newest(limit=100)
        page = pages.capture(entries[-1].id) if entries else None
        return bool(page and page["candidates"]) and bool(pages.unsent(UnsentQuery()))

    with working(settings, gallery, outbox):
        wait_for(told, timeout_s=LONG_S, what="a capture with its candidates, and a track that was not sent")
    assert gallery.store is not None
    (leased, *_) = outbox.lease(limit=1, duration_s=60.0)
    outbox.mark_delivered(leased, ["1"])  # so that the outbox has no picture of it any more

    page = pages.capture(leased.id)

    assert page is not None
    assert (page["state"], page["camera_name"]) == (CaptureState.DELIVERED.value, clips[0].camera_name)
    assert page["face_kept"]
    assert [one["chosen"] for one in page["candidates"]].count(True) == 1
    for content in (
        pages.shot(leased.id, ShotView.FACE),
        pages.shot(leased.id, ShotView.FRAME),
        *(pages.candidate(leased.id, one["number"]) for one in page["candidates"] if one["face_kept"]),
    ):
        assert content is not None
        assert min(simplejpeg.decode_jpeg(content).shape[:2]) >= 16
    unsent = pages.unsent(UnsentQuery())
    assert {track["camera"] for track in unsent} >= {"cam1"}
    small = next(track for track in unsent if track["camera"] == "cam1")
    assert any(one["setting"] == "tracks.filter_min_size" for one in small["obstacles"])
    face = pages.unsent_face(small["number"])
    assert face is not None
    assert max(simplejpeg.decode_jpeg(face).shape) <= 200
    assert pages.feed(FeedQuery(state=CaptureState.DELIVERED))[0]["id"] == leased.id


def test_where_nobody_wants_it_workers_make_nothing(clips: list[DemoClip]) -> None:
    for web in (WebSettings(enabled=False), WebSettings(gallery_mb=0)):
        off = settings_of(clips).model_copy(update={"web": web})
        gallery = run_gallery(off, wanted=True, clock=CLOCK)
        outbox = MemoryOutbox(CLOCK)
        assert gallery.take is None
        assert gallery.desk() is None
        assert gallery.watched(outbox) is outbox
        assert not gallery.services
        assert not gallery.sheddables
    assert run_gallery(settings_of(clips), wanted=False, clock=CLOCK).store is None


def test_the_desk_of_this_process_has_its_thread(clips: list[DemoClip]) -> None:
    gallery = run_gallery(settings_of(clips), wanted=True, clock=CLOCK)
    desk = gallery.desk()
    assert desk is not None
    assert [service.name for service in gallery.services] == ["gallery-age", "gallery"]
    for service in gallery.services:
        service.start()
        service.request_stop()
        assert service.join(5.0)
        assert service.failure is None
    assert [one.shed_name for one in gallery.sheddables] == ["gallery", "gallery desk"]


def test_faces_are_forgotten_after_the_hours_of_the_settings(clips: list[DemoClip]) -> None:
    clock = SimClock()
    settings = settings_of(clips)
    gallery = run_gallery(settings, wanted=True, clock=clock)
    assert gallery.store is not None
    gallery.store.take(sheets(1)[0])
    kept_bytes = gallery.store.size_bytes
    clock.advance(23.9 * 3600.0)
    gallery.store.step()
    assert gallery.store.size_bytes == kept_bytes > 0
    clock.advance(0.2 * 3600.0)
    gallery.store.step()
    assert gallery.store.size_bytes == 0
    unlimited = settings.model_copy(update={"web": WebSettings(gallery_hours=0.0)})
    assert not run_gallery(unlimited, wanted=True, clock=clock).services


def test_a_worker_that_is_to_give_memory_back_lets_go_of_waiting_pictures(clips: list[DemoClip]) -> None:
    settings = settings_of(clips)
    cameras = CombinedCameraRepository(settings).list()
    options = WorkerOptions(model=resolved_model(settings), on_gallery=lambda _item: None)
    task = _task(settings, cameras, options, name="shard-0")
    ours, end = channel_pair(clock=CLOCK)
    with contextlib.closing(ours), contextlib.closing(end):
        worker = Worker(task, control=ours, captures=ours, clock=CLOCK, news=News(ours, clock=CLOCK))
        desk = worker._desk
        assert desk is not None
        desk.shot_offered(CaptureRequest(event_maker()(), cameras[0], track_id=1, reason="silence"))
        assert desk.waiting == 1
        worker._obey(ShedMemory())
        assert (desk.waiting, desk.dropped) == (0, 1)


def test_what_the_parent_does_not_read_waits_and_holds_up_no_report() -> None:
    ours, end = channel_pair(clock=CLOCK)
    theirs = SocketChannel(end, clock=CLOCK)
    clock = SimClock()
    news, box = News(ours, clock=clock), ParcelBox()
    news.gallery = box
    first = sheets(60)
    for sheet in first:
        box.put(sheet)
    for _ in range(20):  # the socket's buffer is full after some
        assert news.step() is not None
    assert len(box) > 0
    arrived: list[GalleryItem] = []
    while (message := theirs.receive(0.2)) is not None:
        assert isinstance(message, GalleryNews)
        arrived += message.items
        news.step()
    assert arrived == first
    assert box.dropped == 0
    ours.close()
    theirs.close()


def sheets(count: int) -> list[PassageSheet]:
    at = SimClock().utc()
    best = Candidate(1, 0.0, 0.5, {}, 0.9, 50.0, face=bytes(40_000))
    return [
        PassageSheet(TrackKey(CameraId("gate"), n), at, 0.0, 1, 0.0, best, "filtered", "too_small")
        for n in range(count)
    ]
