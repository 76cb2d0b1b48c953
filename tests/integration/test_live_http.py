"""Live pictures over real HTTP from real video: what arrives, what browsers share, and what nobody keeps alive."""

import gc
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import simplejpeg

from live_site import LiveAnswer, ask, browser, crew_of_threads, live_settings, running, site_over
from running import wait_for
from vigia.application.crew import ThreadCrew
from vigia.application.live_pictures import LivePictures
from vigia.application.live_tap import LiveShot, LiveTap
from vigia.bootstrap.parts import resolved_model
from vigia.bootstrap.worker_crew import WorkerOptions, worker_crew
from vigia.domain.camera import CameraId
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config.combined_cameras import CombinedCameraRepository
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.video.live_jpeg import SwscaleSmallJpegs
from vigia.infrastructure.web import api_live
from vigia.testing.memory_outbox import MemoryOutbox
from web_site import WebSite


@pytest.fixture(scope="module")
def running_site(
    clips: list[DemoClip], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[WebSite, LivePictures, ThreadCrew]]:
    crew = crew_of_threads(live_settings(clips))
    with running(crew), site_over(crew, tmp_path_factory.mktemp("live")) as (site, pictures):
        yield site, pictures, crew


def quiet(crew: ThreadCrew, pictures: LivePictures) -> None:
    """Until all that was watched is let go."""
    wait_for(
        lambda: not crew.live.watched() and not pictures.sweep() and not shots_alive(), timeout_s=20, what="the end"
    )


def shots_alive() -> int:
    return sum(1 for thing in gc.get_objects() if type(thing) is LiveShot)


def test_pictures_arrive_with_boxes_inside(running_site: tuple[WebSite, LivePictures, ThreadCrew]) -> None:
    site, _, _ = running_site
    with browser(site) as client:
        seen, seq, boxes = set(), 0, []
        for _ in range(40):
            answer = ask(client, width=320, after=seq)
            head = answer.head
            assert head["unknown"] == []
            assert head["interval_ms"] == 333
            for camera in head["cameras"]:
                assert seq < camera["seq"] <= head["seq"]
                height, width, _ = simplejpeg.decode_jpeg(answer.pictures[camera["id"]]).shape
                assert (width, height) == (camera["width"], camera["height"])
                assert width == 320
                assert 0 <= camera["age_ms"] < 3000
                seen.add(camera["id"])
                boxes += camera["boxes"]
            seq = head["seq"]
            if seen == {"cam1", "cam2"} and boxes:
                break
        assert seen == {"cam1", "cam2"}
        assert boxes
        for box in boxes:
            left, top, right, bottom = box["box"]
            assert 0.0 <= left < right <= 1.0
            assert 0.0 <= top < bottom <= 1.0
            assert 0.0 <= box["quality"] <= 1.0
            assert box["track"] >= 1
            assert box["state"] in {"seen", "expected"}


def test_two_browsers_share_what_is_made(running_site: tuple[WebSite, LivePictures, ThreadCrew]) -> None:
    site, pictures, crew = running_site
    quiet(crew, pictures)
    before = pictures.made
    got: set[int] = set()

    def watch(client: httpx.Client) -> int:
        seq, count = 0, 0
        for _ in range(6):
            head = ask(client, width=480, after=seq).head
            seq, count = head["seq"], count + len(head["cameras"])
            got.update(camera["seq"] for camera in head["cameras"])
        return count

    with browser(site) as one, browser(site) as two, ThreadPoolExecutor(2) as pool:
        answered = sum(pool.map(watch, (one, two)))
    made = pictures.made - before
    assert made == len(got), "every picture was made once"
    assert answered > made, "and some of them were given twice"


def test_nothing_is_left_or_made_when_nobody_watches_any_more(
    running_site: tuple[WebSite, LivePictures, ThreadCrew],
) -> None:
    site, pictures, crew = running_site
    with browser(site) as client:
        ask(client)
    assert crew.live.watched()
    quiet(crew, pictures)
    made, frames = pictures.made, crew.view().ledger.frames_decoded
    wait_for(lambda: crew.view().ledger.frames_decoded > frames + 30, timeout_s=20, what="more frames")
    assert pictures.made == made
    assert shots_alive() == 0


def test_a_browser_that_stalls_holds_nothing(
    running_site: tuple[WebSite, LivePictures, ThreadCrew], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks for large pictures and reads none of them; its answer is let go, and the others see as before."""
    site, pictures, crew = running_site
    monkeypatch.setattr(api_live, "SEND_S", 0.5)
    with browser(site) as client:
        stalled = []
        for _ in range(api_live.ASKING_MAX):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.connect(("127.0.0.1", httpx.URL(site.url).port or 0))
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            head = f"Host: {httpx.URL(site.url).netloc.decode()}\r\nCookie: {cookie}\r\n"
            request = f"GET /api/live?cameras=cam1,cam2&width=1280 HTTP/1.1\r\n{head}\r\n"
            connection.sendall(request.encode() * 20)  # pipelined, so that no buffer on the way takes it all
            stalled.append(connection)
        try:
            wait_for(crew.live.watched, timeout_s=20, what="the stalled ones to be heard")
            wait_for(lambda: ask(client, calm=True).head["cameras"], timeout_s=20, what="a picture for the others")
            quiet(crew, pictures)
        finally:
            for connection in stalled:
                connection.close()


def test_too_many_at_once_are_told_so_and_a_script_without_an_error(
    running_site: tuple[WebSite, LivePictures, ThreadCrew], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, _, _ = running_site
    with browser(site) as client:
        monkeypatch.setattr(api_live.Turnstile, "enter", lambda _: False)
        busy = client.get("/api/live", params={"cameras": "cam1"})
        assert busy.status_code == 429
        assert busy.headers["retry-after"] == "2"
        assert busy.json() == {"error": "too_many_watch"}
        head = ask(client, calm=True).head
        assert (head["busy"], head["retry_after_s"], head["cameras"]) == (True, 2, [])
        assert client.get("/api/cameras/cam1/live.jpg").status_code == 429


def test_a_still_picture(running_site: tuple[WebSite, LivePictures, ThreadCrew]) -> None:
    site, _, _ = running_site
    with browser(site) as client:
        answer = client.get("/api/cameras/cam2/live.jpg", params={"width": 640})
        assert answer.headers["content-type"] == "image/jpeg"
        assert simplejpeg.decode_jpeg(answer.content).shape[1] == 640
        assert client.get("/api/cameras/nobody/live.jpg").status_code == 404


def test_what_is_not_right_is_said(running_site: tuple[WebSite, LivePictures, ThreadCrew]) -> None:
    site, _, _ = running_site
    with browser(site) as client:
        head = ask(client, "nobody,cam1,nobody").head
        assert head["unknown"] == ["nobody"]
        assert ask(client, "nobody").head["cameras"] == []
        for wrong in (
            {},
            {"cameras": ""},
            {"cameras": "a,,b"},
            {"cameras": "a b"},
            {"cameras": ",".join(f"c{n}" for n in range(api_live.CAMERAS_MAX + 1))},
            {"cameras": "x" * 65},
            {"cameras": "cam1", "width": "5000"},
            {"cameras": "cam1", "width": "wide"},
            {"cameras": "cam1", "after": "-1"},
        ):
            assert client.get("/api/live", params=wrong).status_code == 422, wrong
        assert client.get("/api/cameras/cam1/live.jpg", params={"width": 1}).status_code == 422
    with site.client() as stranger:
        assert stranger.get("/api/live", params={"cameras": "cam1"}).status_code == 401
        assert stranger.get("/api/cameras/cam1/live.jpg").status_code == 401


def test_a_number_from_an_earlier_run_counts_as_none(running_site: tuple[WebSite, LivePictures, ThreadCrew]) -> None:
    site, _, _ = running_site
    with browser(site) as client:
        assert ask(client, after=2**50).head["cameras"]


def test_switched_off_is_said_at_once(tmp_path: Path) -> None:
    clock = SystemClock()
    tap = LiveTap(clock, fps=0.0)
    tap.slot(CameraId("cam1"))
    site = WebSite(tmp_path, live=LivePictures(tap, SwscaleSmallJpegs(), clock=clock))
    site.start()
    try:
        with browser(site) as client:
            assert ask(client, "cam1", after=7).head == {"off": True, "seq": 7, "cameras": []}
            assert client.get("/api/cameras/cam1/live.jpg").status_code == 404
    finally:
        site.stop()


def test_worker_processes_send_pictures_while_somebody_watches(clips: list[DemoClip], tmp_path: Path) -> None:
    settings = live_settings(clips)
    crew = worker_crew(
        settings,
        CombinedCameraRepository(settings).list(),
        count=2,
        options=WorkerOptions(model=resolved_model(settings)),
        store=MemoryOutbox(SystemClock()),
        wake_senders=lambda: None,
        clock=SystemClock(),
    )
    with running(crew), site_over(crew, tmp_path) as (site, pictures), browser(site) as client:
        assert not any(worker.live.shots for worker in crew.workers), "nobody has asked yet"
        seen, seq, boxes = set(), 0, 0
        for _ in range(60):
            answer: LiveAnswer = ask(client, width=320, after=seq)
            seq = answer.head["seq"]
            for camera in answer.head["cameras"]:
                seen.add(camera["id"])
                boxes += len(camera["boxes"])
                assert simplejpeg.decode_jpeg(answer.pictures[camera["id"]]).shape[1] == 320
            if seen == {"cam1", "cam2"} and boxes:
                break
        assert seen == {"cam1", "cam2"}
        assert boxes
        assert pictures.made == 0, "the workers make them"
        assert client.get("/api/cameras/cam1/live.jpg").content[:2] == b"\xff\xd8"
        wait_for(lambda: not any(worker.live.shots for worker in crew.workers), timeout_s=10, what="the end")
        frames = crew.view().ledger.frames_decoded
        wait_for(lambda: crew.view().ledger.frames_decoded > frames + 30, timeout_s=20, what="more frames")
        assert not any(worker.live.shots for worker in crew.workers)
    assert crew.unclean == []
