"""A real RTSP server that freezes, dies or refuses: the exact error each time, and the way back."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rtsp import ANYBODY, Account, Mount, RtspSite, make_feed, needs_rtsp_server, pictures_of
from running import SECRET
from vigia.application.errors import SourceAuthFailed, SourceEnded, SourceError, SourceStalled, SourceUnreachable
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.video.source import AvFrameSource, SourceOptions

READ_S = 1.0
OWNER: Account = ("admin", SECRET)
Serve = Callable[..., RtspSite]

pytestmark = needs_rtsp_server


@pytest.fixture(scope="module")
def feed(clips: list[DemoClip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_feed(tmp_path_factory.mktemp("feeds") / "live.feed", pictures=pictures_of(clips[0].path))


@pytest.fixture
def serve(feed: Path, tmp_path: Path) -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda account=None: stack.enter_context(RtspSite([Mount("live", feed)], tmp_path, account=account))


def source(site: RtspSite, *, account: Account | None = None, mount: str = "live") -> AvFrameSource:
    camera = Camera(CameraId("1"), "Gate", site.url(mount, account))
    options = SourceOptions(open_timeout_s=2.0, read_timeout_s=READ_S)
    return AvFrameSource(camera, clock=SystemClock(), options=options)


def everything_told(error: BaseException, told_by: AvFrameSource) -> str:
    """All texts that a log, a traceback or a debugger could show: causes and contexts included."""
    texts = [repr(told_by), *traceback.format_exception(error)]
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop()
        if link is not None:
            texts += [str(link), repr(link), repr(link.args), repr(vars(link))]
            todo += [link.__cause__, link.__context__]
    return "\n".join(texts)


def read_until_error(camera: AvFrameSource, *, after_first: Callable[[], None]) -> SourceError:
    packets = camera.packets()
    next(packets)
    after_first()

    def read() -> None:
        for _ in packets:
            pass

    with pytest.raises(SourceError) as ended:
        read()
    camera.close()
    return ended.value


def test_a_server_that_freezes_is_stalled_within_two_read_time_outs(serve: Serve) -> None:
    server = serve(OWNER)
    camera = source(server)
    camera.open()
    clock = SystemClock()
    frozen_at_s: list[float] = []

    def freeze() -> None:
        server.freeze()
        frozen_at_s.append(clock.mono_s())

    error = read_until_error(camera, after_first=freeze)
    # A bound, not a speed: twice the limit, and what a busy machine needs to wake this process up.
    assert clock.mono_s() - frozen_at_s[0] < 2 * READ_S + 5.0
    assert type(error) is SourceStalled
    assert SECRET not in everything_told(error, camera)


def test_a_server_that_thaws_can_be_opened_again(serve: Serve) -> None:
    server = serve()
    camera = source(server)
    camera.open()
    taken = next(camera.packets())
    server.freeze()
    with pytest.raises(SourceUnreachable, match=r"did not answer|cannot be opened") as caught:
        camera.open()
    assert caught.value.__cause__ is not None
    server.thaw()
    camera.open()
    again = next(camera.packets())
    camera.close()
    assert again.discontinuity
    assert again.index > taken.index


def test_a_killed_servers_stream_has_ended(serve: Serve) -> None:
    server = serve()
    camera = source(server)
    camera.open()
    error = read_until_error(camera, after_first=server.kill)
    assert type(error) is SourceEnded


@pytest.mark.parametrize("account", [("admin", f"wrong-{SECRET}"), ("nobody", SECRET), ANYBODY])
def test_who_may_not_see_it_is_refused_and_no_text_has_the_password(serve: Serve, account: Account) -> None:
    server = serve(OWNER)
    camera = source(server, account=account)
    with pytest.raises(SourceAuthFailed, match="refused the user or password") as refused:
        camera.open()
    assert SECRET not in everything_told(refused.value, camera)
    assert f"127.0.0.1:{server.port}" in str(refused.value)


def test_an_unknown_mount_is_unreachable_and_says_what_the_server_said(serve: Serve) -> None:
    camera = source(serve(OWNER), mount="nothing")
    with pytest.raises(SourceUnreachable, match="404") as caught:
        camera.open()
    assert SECRET not in everything_told(caught.value, camera)


def test_two_viewers_do_not_disturb_each_other(serve: Serve) -> None:
    server = serve()
    first, second = source(server), source(server)
    first.open()
    second.open()
    here, there = first.packets(), second.packets()
    numbers = [(next(here).index, next(there).index) for _ in range(5)]
    first.close()
    numbers += [(5, next(there).index)]
    second.close()
    assert numbers == [(n, n) for n in range(6)]
