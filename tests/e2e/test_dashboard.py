"""The dashboard of a real run in Chromium: every page, by what a person sees there and does.

Two cameras are files with people; the third is an RTSP camera, which goes down and comes back. FindFace refuses one
capture and rejects two others until they are given up.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from browser import DESKTOP, PHONE, Browser, browser_at, log_in_at, named, needs_chromium, wider_than_screen
from rtsp import Mount, RtspSite, make_feed, needs_rtsp_server, pictures_of
from running import COMMITTED, SECRET, Program, Site, StandIn, base_settings, wait_for
from vigia.infrastructure.demo import DemoClip

pytestmark = [needs_chromium, needs_rtsp_server, pytest.mark.timeout(120)]

PASSWORD = "dashboard-of-the-test-24"
PATHS = {
    "overview": "/", "captures": "/captures", "why": "/why", "delivery": "/delivery", "system": "/system",
    "cameras": "/cameras", "camera": "/cameras/cam1",
}  # fmt: skip
FAULTS = {
    "seed": 1,
    "faults": [
        {"kind": "too-large", "path": "/events/faces/add/", "times": 1},
        {"kind": "forbidden", "path": "/events/faces/add/", "every": 3, "times": 2},
    ],
}
SHOWN_S = 2.0
"""The promise: a capture is on the page so soon after its commit."""


@dataclass
class Live:
    """A running vigia, its address, and the camera that can be taken away."""

    program: Program
    url: str
    gate: RtspSite

    def committed(self) -> list[str]:
        return COMMITTED.findall(self.program.stderr())


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, clips: list[DemoClip]) -> Iterator[Live]:
    tmp_path = tmp_path_factory.mktemp("dashboard")
    feed = make_feed(tmp_path / "gate.feed", pictures=pictures_of(clips[0].path), fps=15)
    for name in ("rtsp", "site"):
        (tmp_path / name).mkdir()
    listed = [{"id": n + 1, "name": f"cam{n + 1}", "group": 1, "token": f"{n + 1:032x}"} for n in range(3)]
    stand_in = StandIn(tmp_path / "findface", listed, faults=FAULTS)
    site = Site(tmp_path / "site", stand_in)
    with RtspSite([Mount("gate", feed)], tmp_path / "rtsp", account=("admin", SECRET)) as gate:
        stand_in.start()
        settings = base_settings(clips)
        settings["cameras"].append(
            {
                "id": "gate",
                "name": "Portão",
                "url": gate.url("gate"),
                "findface_id": 3,
                "token": f"{3:032x}",
                "settings": {"filter_min_size": 600},  # nobody who comes by is that large
            }
        )
        site.configure(
            **settings,
            language="pt_BR",
            source={"read_timeout_s": 2.0, "open_timeout_s": 5.0},
            delivery={"attempts_max": 1},
        )
        for user, role in (("operator", "operator"), ("vera", "viewer")):
            code, _, told = site.run("web", "passwd", "--user", user, "--role", role, stdin=f"{PASSWORD}\n")
            assert code == 0, told
        program = site.start("run", "--duration", "600")
        yield Live(program, program.web_address(), gate)
        gate.kill()
        for running in site.programs:
            if running.process.poll() is None:
                running.process.kill()
                running.process.wait(10)
        stand_in.stop()


@pytest.fixture(scope="module")
def browser(live: Live) -> Iterator[Browser]:
    with browser_at(live.url) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser: Browser, live: Live) -> Iterator[Any]:
    """An operator at the overview."""
    page = browser.visitor()
    log_in_at(page, live.url, "operator", PASSWORD)
    named(page, "wall").wait_for()
    yield page
    page.context.close()


@pytest.fixture(autouse=True)
def nothing_is_wrong(browser: Browser) -> Iterator[None]:
    """No test leaves an error in the console or a request to anybody else."""
    yield
    complaints, browser.complaints = browser.complaints, []
    assert complaints == []
    assert browser.outside == []


def test_nobody_gets_in_with_a_wrong_password(browser: Browser, live: Live) -> None:
    stranger = browser.visitor()
    stranger.goto(f"{live.url}/captures")
    assert stranger.url.endswith("/login?next=/captures")
    log_in_at(stranger, live.url, "operator", "not-the-password")
    stranger.get_by_role("alert").wait_for()
    browser.picture(stranger, "login-wrong")
    stranger.goto(f"{live.url}/")
    assert "/login" in stranger.url
    stranger.context.close()


def test_the_wall_is_live_and_a_camera_that_goes_down_turns_red(browser: Browser, page: Any, live: Live) -> None:
    for camera in ("cam1", "cam2", "gate"):
        page.wait_for_selector(f"[data-testid=camera-{camera}][data-state=live]", timeout=30_000)
    wait_for(lambda: drawn(page) >= 3, timeout_s=20, what="three live pictures")
    assert named(page, "total-cameras").inner_text() == "3 / 3"
    assert named(page, "trouble-cameras").count() == 0
    browser.picture(page, "overview")
    live.gate.kill()
    page.wait_for_selector("[data-testid=camera-gate][data-state=unreachable]", timeout=20_000)
    gate = named(page, "camera-gate")
    assert gate.locator(".vg-badge--bad").count() >= 1
    why = named(gate, "camera-reason").inner_text()
    assert why
    assert SECRET not in page.content()
    assert named(page, "total-cameras").inner_text() == "2 / 3"
    assert named(page, "troubles").is_visible()
    browser.picture(page, "overview-trouble")
    live.gate.start()
    page.wait_for_selector("[data-testid=camera-gate][data-state=live]", timeout=20_000)


def drawn(page: Any) -> int:
    """How many live pictures show something."""
    return int(
        page.evaluate(
            """() => [...document.querySelectorAll('vg-live[data-state=live]')].filter((view) => {
                 const canvas = view.shadowRoot.querySelector('canvas');
                 if (!canvas.width || !canvas.height) return false;
                 return canvas.toDataURL().length > 20000;  // one colour is a few hundred bytes
               }).length"""
        )
    )


def test_the_feed_shows_a_capture_soon_after_its_commit_and_filters(browser: Browser, page: Any, live: Live) -> None:
    named(page, "nav-captures").click()
    named(page, "feed").wait_for()
    known = set(live.committed())
    fresh = wait_for(lambda: set(live.committed()) - known, timeout_s=60, what="another capture")
    seen = time.monotonic()
    for capture in fresh:
        named(page, f"capture-{capture}").wait_for(timeout=1000 * SHOWN_S)
    assert time.monotonic() - seen < SHOWN_S
    face = page.locator("[data-testid=feed] img").first
    face.wait_for()
    wait_for(lambda: face.evaluate("(image) => image.naturalWidth") > 16, timeout_s=10, what="a face")
    browser.picture(page, "captures")
    named(page, "filter-camera").select_option("cam2")
    page.wait_for_url("**camera=cam2*")
    names = set(page.locator("[data-testid=feed] .vg-shot__camera").all_inner_texts())
    assert len(names) == 1
    page.goto(f"{live.url}/captures?state=delivered&quality=0.1")
    page.locator("[data-testid=feed] article").first.wait_for()
    states = {card.get_attribute("data-state") for card in page.locator("[data-testid=feed] article").all()}
    assert states == {"delivered"}


def test_a_captures_page_tells_why_it_was_chosen(browser: Browser, page: Any, live: Live) -> None:
    page.goto(f"{live.url}/captures?state=delivered")
    named(page, "capture-link").first.click()
    page.wait_for_url("**/captures/*")
    frame = page.locator("[data-testid=frame] img")
    frame.wait_for()
    wait_for(lambda: frame.evaluate("(image) => image.naturalWidth") >= 160, timeout_s=10, what="the whole picture")
    assert named(page, "box-face").is_visible()
    assert named(page, "box-roi").is_visible()
    assert named(page, "why-chosen").inner_text()
    assert named(page, "candidates-table").locator("tbody tr").count() >= 1
    assert named(page, "event-id").count() >= 1
    browser.picture(page, "capture")
    answer = page.goto(page.url.rsplit("/", 1)[0] + "/" + "0" * 32)
    assert answer.status == 404
    named(page, "not-found").wait_for()


def test_what_was_not_sent_is_told_with_what_would_have_let_it_through(browser: Browser, page: Any) -> None:
    named(page, "nav-why").click()
    named(page, "ledger").wait_for()
    assert named(page, "ledger").locator("tbody tr").count() >= 3
    page.locator("[data-testid^=unsent-]").first.wait_for(timeout=60_000)
    named(page, "obstacles").first.wait_for()
    assert "tracks.filter_min_size" in " ".join(named(page, "obstacles").all_inner_texts())
    named(page, "why-camera").select_option("gate")
    page.wait_for_url("**camera=gate*")
    assert "filter_min_size" in named(page, "obstacles").first.inner_text()
    browser.picture(page, "why")


def test_an_operator_sends_a_given_up_capture_again_and_is_asked_first(browser: Browser, page: Any) -> None:
    named(page, "nav-delivery").click()
    named(page, "tab-dead").click()
    page.wait_for_url("**state=dead*")
    row = page.locator("[data-testid^=waiting-]").first
    row.wait_for(timeout=60_000)
    name = str(row.get_attribute("data-testid")).removeprefix("waiting-")
    row = named(page, f"waiting-{name}")
    assert named(row, "reason").inner_text()
    browser.picture(page, "delivery")
    named(row, "select").click()
    named(page, "retry").click()
    named(page, "ask-no").click()
    named(page, "ask-first").wait_for(state="hidden")
    assert row.is_visible()
    named(page, "retry").click()
    browser.picture(page, "delivery-ask")
    named(page, "ask-yes").click()
    row.wait_for(state="detached")
    wait_for(
        lambda: page.request.get(f"{origin(page)}/api/captures/{name}").json()["state"] == "delivered",
        timeout_s=30,
        what="its delivery",
    )


def origin(page: Any) -> str:
    """Scheme, host and port of a page."""
    return "/".join(page.url.split("/")[:3])


def test_the_run_is_charted_over_time(browser: Browser, page: Any) -> None:
    named(page, "nav-system").click()
    page.locator("[data-testid^=chart-]").first.wait_for()
    wait_for(
        lambda: page.locator("[data-testid^=chart-] canvas, [data-testid^=chart-] svg").count() >= 10,
        timeout_s=20,
        what="charts",
    )
    assert named(page, "charts-failed").count() == 0
    assert named(page, "process").inner_text()
    assert named(page, "shards").locator("tbody tr").count() >= 1
    page.wait_for_timeout(1500)  # charts are drawn with a movement
    browser.picture(page, "system")


def test_a_cameras_page_has_its_settings_and_its_history(browser: Browser, page: Any) -> None:
    named(page, "nav-cameras").click()
    page.get_by_text("Portão").first.wait_for()
    browser.picture(page, "cameras")
    page.goto(f"{origin(page)}/cameras/gate")
    named(page, "camera-state").wait_for()
    named(page, "health-event").first.wait_for()
    assert named(page, "health-event").count() >= 3
    settings = named(page, "settings").inner_text()
    assert "filter_min_size" in settings
    assert SECRET not in page.content()
    browser.picture(page, "camera")
    assert page.goto(f"{origin(page)}/cameras/nobody").status == 404


def test_the_language_is_the_readers_choice(browser: Browser, page: Any) -> None:
    page.goto(f"{origin(page)}/captures")
    assert page.evaluate("document.documentElement.lang") == "pt-BR"
    assert named(page, "nav-captures").inner_text().strip().endswith("Capturas")
    named(page, "user-menu").click()
    named(page, "language-en").click()
    page.wait_for_url("**/captures")
    named(page, "feed").wait_for()
    assert page.evaluate("document.documentElement.lang").startswith("en")
    assert named(page, "nav-captures").inner_text().strip().endswith("Captures")
    page.goto(f"{origin(page)}/")
    named(page, "wall").wait_for()
    browser.picture(page, "overview-en")
    named(page, "user-menu").click()
    named(page, "language-pt_BR").click()
    page.wait_for_function("document.documentElement.lang === 'pt-BR'")


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, True), (PHONE, True)], ids=["desktop", "phone"])
def test_no_page_is_wider_than_the_screen(
    browser: Browser, page: Any, live: Live, size: dict[str, int], *, dark: bool
) -> None:
    reader = browser.visitor(size=size, dark=dark)
    reader.context.add_cookies(page.context.cookies())
    kind = "phone" if size is PHONE else "dark"
    for name, path in {**PATHS, "capture": f"/captures/{live.committed()[-1]}"}.items():
        assert reader.goto(f"{live.url}{path}").status == 200, name
        named(reader, "user-menu").wait_for()
        reader.wait_for_timeout(700)  # until the first figures and pictures are there
        assert wider_than_screen(reader) <= 0, name
        browser.picture(reader, f"{kind}-{name}")
    reader.context.close()


def test_a_viewer_is_shown_nothing_that_acts(browser: Browser, live: Live) -> None:
    viewer = browser.visitor()
    log_in_at(viewer, live.url, "vera", PASSWORD)
    named(viewer, "wall").wait_for()
    viewer.goto(f"{live.url}/delivery?state=refused")
    viewer.locator("[data-testid^=waiting-]").first.wait_for()
    for button in ("retry", "drop", "select", "select-all"):
        assert named(viewer, button).count() == 0, button
    viewer.goto(f"{live.url}/cameras/cam1")
    named(viewer, "camera-state").wait_for()
    assert named(viewer, "reload-cameras").count() == 0
    viewer.context.close()


def test_who_logs_out_is_out(browser: Browser, live: Live) -> None:
    visitor = browser.visitor()
    log_in_at(visitor, live.url, "operator", PASSWORD)
    named(visitor, "user-menu").click()
    named(visitor, "log-out").click()
    visitor.wait_for_url(re.compile("/login"))
    visitor.goto(f"{live.url}/captures")
    assert "/login" in visitor.url
    visitor.context.close()


def test_too_many_guesses_make_a_pause(browser: Browser, live: Live) -> None:
    stranger = browser.visitor()
    for _ in range(6):
        log_in_at(stranger, live.url, "nobody", "guess")
        stranger.get_by_role("alert").wait_for()
    assert "Tente de novo" in stranger.get_by_role("alert").inner_text()
    browser.picture(stranger, "login-locked")
    stranger.context.close()
