"""Streams as cameras send them, from a real RTSP server through source, decoder and pipeline."""

import itertools
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lone_pipeline import LonePipeline
from rtsp import Account, Codec, Mount, RtspSite, code, make_feed, needs_rtsp_server, pictures_of, textures, write_feed
from running import SECRET
from vigia.application.call_guard import CallGuard
from vigia.application.camera_pipeline import NO_KEY_FRAME
from vigia.application.errors import SourceAbandoned, SourceAuthFailed, SourceStalled, SourceUnreachable
from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Packet
from vigia.domain.ledger import FrameFate
from vigia.domain.stream_clock import StampVerdict
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.video.source import AvFrameSource
from vigia.infrastructure.video.source_options import SourceOptions

FPS = 30
SIZE_WH = (320, 176)  # MJPEG over RTP counts in eights
OWNER: Account = ("admin", SECRET)
Serve = Callable[..., RtspSite]

pytestmark = needs_rtsp_server


@pytest.fixture(scope="module")
def feeds(clips: list[DemoClip], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("feeds")
    pictures = [picture.reformat(*SIZE_WH) for picture in pictures_of(clips[0].path)]
    kinds: list[tuple[str, Codec, int]] = [
        ("plain", "h264", 0), ("b-frames", "h264", 2), ("h265", "h265", 2), ("mjpeg", "mjpeg", 0),
    ]  # fmt: skip
    made = {
        name: make_feed(
            place / f"{name}.feed", codec=codec, b_frames=b_frames, fps=FPS, size_wh=SIZE_WH, pictures=pictures
        )
        for name, codec, b_frames in kinds
    }
    made["long-gop"] = make_feed(place / "long-gop.feed", fps=FPS, gop=1000, seconds=6.0)
    small = code(textures((320, 180), FPS), codec="h264", size_wh=(320, 180), fps=FPS)
    large = code(textures((640, 360), FPS), codec="h264", size_wh=(640, 360), fps=FPS)
    switched = small + [
        (due_s + 1.0, (pts_s or 0.0) + 1.0, (dts_s or 0.0) + 1.0, data) for due_s, pts_s, dts_s, data in large
    ]
    made["switch"] = write_feed(place / "switch.feed", switched, codec="h264", duration_s=2.0)
    return made


@pytest.fixture
def serve(feeds: dict[str, Path], tmp_path: Path) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(*names: str, sound: bool = False, shared: bool = False, **settings: object) -> RtspSite:
            mounts = [Mount(name, feeds[name], sound=sound, shared=shared) for name in names]
            return stack.enter_context(RtspSite(mounts, tmp_path, **settings))  # type: ignore[arg-type]

        yield start


def source_of(url: str, *, clock: Clock | None = None, **options: object) -> AvFrameSource:
    chosen = SourceOptions(**{"open_timeout_s": 5.0, "read_timeout_s": 5.0, **options})  # type: ignore[arg-type]
    return AvFrameSource(Camera(CameraId("gate"), "Gate", url), clock=clock or SystemClock(), options=chosen)


def take(source: AvFrameSource, count: int) -> list[Packet]:
    source.open()
    packets = list(itertools.islice(source.packets(), count))
    source.close()
    return packets


def watch(source: AvFrameSource, count: int) -> LonePipeline:
    """So many packets through source, decoder and pipeline."""
    rig = LonePipeline()
    for packet in take(source, count):
        rig.take(packet)
    return rig


def everything_told(error: BaseException) -> str:
    texts = traceback.format_exception(error)
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop()
        if link is not None:
            texts += [str(link), repr(link), repr(link.args), repr(vars(link))]
            todo += [link.__cause__, link.__context__]
    return "\n".join(texts)


@pytest.mark.parametrize(
    ("name", "codec", "transport"),
    [
        ("plain", "h264", "tcp"),
        ("plain", "h264", "udp"),
        ("b-frames", "h264", "tcp"),
        ("h265", "hevc", "tcp"),
        ("h265", "hevc", "udp"),
        ("mjpeg", "mjpeg", "tcp"),
    ],
)
def test_every_picture_comes_through_at_its_time(serve: Serve, name: str, codec: str, transport: str) -> None:
    site = serve(name)
    source = source_of(site.url(name), rtsp_transport=transport)
    rig = watch(source, 45)
    stream = rig.pipeline.stream
    assert stream is not None
    assert (stream.codec, stream.width, stream.height) == (codec, *SIZE_WH)
    rig.pipeline.stop()
    assert rig.ledger.frames[FrameFate.DETECTED] == 45
    assert rig.ledger.snapshot().balanced
    # Of the first packets the demultiplexer may not know the time yet; all others have theirs.
    assert source.stamps[StampVerdict.OK] >= 45 - 4
    assert source.bad_stamps == source.stamps[StampVerdict.MISSING]
    steps_s = [after.at_mono_s - before.at_mono_s for before, after in itertools.pairwise(rig.frames)]
    assert all(step_s >= 0.0 for step_s in steps_s), "pictures are shown in the order in which they were taken"
    late = steps_s[-20:]
    assert sum(late) / len(late) == pytest.approx(1 / FPS, rel=0.3)
    assert max(late) < 2 / FPS, "what the network delivers unevenly is told evenly"
    assert all(0.0 <= packet.received_mono_s - packet.at_mono_s <= 10.0 for packet in rig.frames)


@pytest.mark.parametrize("digest", [False, True], ids=["basic", "digest"])
def test_over_tls_with_an_account_and_with_the_wrong_one(serve: Serve, digest: bool) -> None:
    site = serve("plain", account=OWNER, digest=digest, tls=True)
    assert len(take(source_of(site.url("plain")), 3)) == 3
    bad = source_of(site.url("plain", ("admin", f"not-{SECRET}")))
    with pytest.raises(SourceAuthFailed, match="refused the user or password") as refused:
        bad.open()
    assert SECRET not in everything_told(refused.value)


def test_digest_without_tls(serve: Serve) -> None:
    site = serve("plain", account=OWNER, digest=True)
    assert len(take(source_of(site.url("plain")), 3)) == 3
    with pytest.raises(SourceAuthFailed):
        source_of(site.url("plain", ("admin", "wrong"))).open()
    with pytest.raises(SourceUnreachable, match=r"knows no such path \(404\)"):
        source_of(site.url("nothing")).open()


def test_certificates_are_verified_where_that_is_wanted(serve: Serve) -> None:
    site = serve("plain", tls=True)
    url = site.url("plain")
    assert take(source_of(url, tls_verify=True, tls_ca_file=str(site.ca_path)), 1)
    with pytest.raises(SourceUnreachable, match=r"certificate is not accepted: .*(self-signed|issuer)"):
        source_of(url, tls_verify=True).open()
    with pytest.raises(SourceUnreachable, match=r"no file /nowhere\.pem"):
        source_of(url, tls_verify=True, tls_ca_file="/nowhere.pem").open()


def test_tls_where_none_is_spoken(serve: Serve) -> None:
    site = serve("plain")
    with pytest.raises(SourceUnreachable, match="does not speak TLS there"):
        source_of(site.url("plain").replace("rtsp://", "rtsps://")).open()


def test_a_name_nobody_knows_is_told_as_such() -> None:
    with pytest.raises(SourceUnreachable, match=r"the name no-such-camera\.invalid is not known") as failed:
        source_of(f"rtsp://admin:{SECRET}@no-such-camera.invalid/live").open()
    assert SECRET not in everything_told(failed.value)


def test_a_port_where_nothing_listens_is_told_as_such(serve: Serve) -> None:
    site = serve("plain", account=OWNER)
    site.kill()
    with pytest.raises(SourceUnreachable, match="connection refused") as failed:
        source_of(site.url("plain")).open()
    assert SECRET not in everything_told(failed.value)


def test_sound_is_left_out_and_does_not_pass_for_life(serve: Serve) -> None:
    site = serve("plain", sound=True)
    source = source_of(site.url("plain"), read_timeout_s=1.0)
    source.open()
    packets = source.packets()
    assert len(list(itertools.islice(packets, 10))) == 10
    site.hold("plain")
    clock = SystemClock()
    held_at_s = clock.mono_s()
    with pytest.raises(SourceStalled, match="sent nothing for 1 s"):
        list(packets)
    assert clock.mono_s() - held_at_s < 4.0
    source.close()
    assert source.bad_stamps <= 4, "no sender report may shift the stamps of a stream without its sound"


def test_a_camera_that_is_open_and_sends_nothing_is_stalled_and_closes_at_once(serve: Serve) -> None:
    site = serve("plain", shared=True)
    first = source_of(site.url("plain"))
    first.open()
    next(first.packets())
    site.hold("plain")
    second = source_of(site.url("plain"), open_timeout_s=1.5, read_timeout_s=1.0)
    with pytest.raises(SourceStalled, match="sent no"):
        take(second, 1000)
    clock = SystemClock()
    began_s = clock.mono_s()
    second.close()
    first.close()
    assert clock.mono_s() - began_s < 1.0


def test_who_comes_in_the_middle_waits_for_the_next_key_frame(serve: Serve) -> None:
    site = serve("long-gop", shared=True)
    first = source_of(site.url("long-gop"))
    first.open()
    next(first.packets())
    # Opening does not wait for the key frame for longer than it may take.
    rig = watch(source_of(site.url("long-gop"), open_timeout_s=1.5), 60)
    first.close()
    assert rig.ledger.skip_reasons == {NO_KEY_FRAME: 60}
    assert 0.3 < rig.pipeline.waits_for_key_s < 60 / FPS
    assert rig.pipeline.undecodable_s == 0.0


def test_a_picture_size_that_changes_in_mid_stream_goes_on(serve: Serve) -> None:
    site = serve("switch")
    rig = watch(source_of(site.url("switch")), 75)
    sizes = [frame.size_wh for frame in rig.frames]
    assert [size for size, _ in itertools.groupby(sizes)] == [(320, 180), (640, 360), (320, 180)]
    assert rig.pipeline.picture_wh == (320, 180)
    assert rig.ledger.frames[FrameFate.DETECTED] == 75


def has_told(source: AvFrameSource) -> bool:
    return source.clock_off_s is not None


class SlowClock(SystemClock):
    """A machine whose clock is two minutes behind."""

    def utc(self) -> datetime:
        return super().utc() - timedelta(seconds=120.0)


def test_a_camera_tells_how_far_its_clock_is_off(serve: Serve) -> None:
    site = serve("plain")
    source = source_of(site.url("plain"), clock=SlowClock())
    source.open()
    assert not has_told(source)
    for packet in source.packets():
        if has_told(source) or packet.index > 30 * FPS:
            break
    source.close()
    assert source.clock_off_s == pytest.approx(120.0, abs=0.5)


def test_a_source_that_was_left_behind_says_only_that_and_its_successor_counts_on(serve: Serve) -> None:
    site = serve("plain", account=OWNER)
    clock = SystemClock()
    guard = CallGuard(clock)
    camera = Camera(CameraId("gate"), "Gate", site.url("plain"))
    source = AvFrameSource(camera, clock=clock, guard=guard)
    source.open()
    packets = source.packets()
    taken = [next(packets)]
    site.freeze()
    caught: list[BaseException] = []

    def read() -> None:
        try:
            taken.extend(packets)
        except SourceAbandoned as error:
            caught.append(error)

    service = LoopService("reader", read, clock=clock)
    service.start()
    while not guard.abandon(limit_s=0.5):
        assert service.is_alive, "the reader has ended before it was left behind"
    site.kill()  # now the native call comes back, with an error of its own
    assert service.join(20.0)
    assert [type(error) for error in caught] == [SourceAbandoned]
    assert SECRET not in everything_told(caught[0])
    with pytest.raises(SourceAbandoned):
        source.open()
    site.start()
    successor = AvFrameSource(camera, clock=clock, guard=CallGuard(clock), first_index=len(taken))
    assert [packet.index for packet in take(successor, 3)] == [len(taken), len(taken) + 1, len(taken) + 2]
