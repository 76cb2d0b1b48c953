"""Live pictures in Chromium, on real cameras behind the real door: drawn, boxed, stopped when nobody looks."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import chromium_running, needs_chromium
from running import environment, wait_for
from vigia.infrastructure.demo import DemoClip
from web_site import PASSWORD

pytestmark = needs_chromium

PROGRAM = Path(__file__).parents[1] / "support" / "live_page.py"
STATE = "document.querySelector('vg-live[data-camera={camera}]')?.dataset.state"
FIRST = "document.querySelector('vg-live')"
DRAWN = """camera => {
  const canvas = document.querySelector(`vg-live[data-camera=${camera}]`).shadowRoot.querySelector('canvas');
  if (!canvas.width) return null;
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4 * 97) seen.add(data[i] >> 4 << 8 | data[i + 1] >> 4 << 4 | data[i + 2] >> 4);
  return {width: canvas.width, shown: canvas.clientWidth, colours: seen.size};
}"""


class LivePage:
    """The program, and a browser that has logged in."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, page: Any) -> None:
        self.process, self.url, self.page = process, url, page
        self.asked: list[str] = []
        self.elsewhere: list[str] = []
        self.errors: list[str] = []
        page.on("request", self._request)
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _request(self, request: Any) -> None:
        if "/api/live" in request.url:
            self.asked.append(request.url)
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.elsewhere.append(request.url)

    def order(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def wait_state(self, camera: str, state: str) -> None:
        self.page.wait_for_function(f"{STATE.format(camera=camera)} === '{state}'", timeout=20_000)

    def text(self, camera: str, part: str) -> str:
        found: str = self.page.evaluate(
            f"document.querySelector('vg-live[data-camera={camera}]').shadowRoot.querySelector('.{part}').textContent"
        )
        return found


@pytest.fixture
def live_page(clips: list[DemoClip], tmp_path: Path) -> Iterator[LivePage]:
    paths = [str(tmp_path), *(str(clip.path) for clip in clips)]
    log = (tmp_path / "err-page.txt").open("wb")
    with (
        log,
        subprocess.Popen(
            [sys.executable, str(PROGRAM), *paths],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment(), cwd=tmp_path,
        ) as process,
    ):  # fmt: skip
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.startswith("http"), (tmp_path / "err-page.txt").read_text()
            with chromium_running() as browser:
                page = browser.new_page(device_scale_factor=2)
                page.goto(f"{url}/login?next=/wall")
                page.fill("input[name=user]", "vera")
                page.fill("input[name=password]", PASSWORD)
                live = LivePage(process, url, page)
                page.click("button")
                yield live
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(20) == 0, (tmp_path / "err-page.txt").read_text()
        finally:
            process.kill()


def test_a_wall_of_pictures(live_page: LivePage) -> None:
    page = live_page.page
    live_page.wait_state("cam1", "live")
    seen = page.evaluate(DRAWN, "cam1")
    assert seen["width"] == 2 * seen["shown"] == 960, "as fine as the screen"
    assert seen["colours"] > 20, "a picture and not a blank"
    assert live_page.text("cam1", "label") == "Portão 1"
    page.wait_for_function("Number(document.querySelector('vg-live').dataset.boxes) > 0", timeout=20_000)
    before = page.evaluate("document.querySelector('vg-live').dataset.seq")
    page.wait_for_function(f"Number(document.querySelector('vg-live').dataset.seq) > {before}", timeout=20_000)

    page.get_by_test_id("more").click()  # added to a page that is there already
    live_page.wait_state("cam2", "live")
    assert any("cameras=cam1%2Ccam2" in url for url in live_page.asked), "one question for both"

    assert live_page.order("without cam1") == "ok"
    live_page.wait_state("cam1", "stale")
    page.wait_for_function(
        f"/^No picture for [3-9] s$/.test({FIRST}.shadowRoot.querySelector('.state').textContent)",
        timeout=20_000,
    )
    assert page.evaluate("document.querySelector('vg-live').getAttribute('aria-label')").startswith("Portão 1: No pict")
    assert live_page.order("watched") == "cam2"

    page.evaluate("window.scrollTo(0, 3000)")
    wait_for(lambda: live_page.order("watched") == "", timeout_s=20, what="the end of the watch")
    count = len(live_page.asked)
    page.wait_for_timeout(700)
    assert len(live_page.asked) == count, "nothing is asked for what nobody can see"
    page.evaluate("window.scrollTo(0, 0)")
    live_page.wait_state("cam2", "live")
    assert live_page.errors == []
    assert live_page.elsewhere == []

    assert live_page.order("end sessions") == "ok"
    page.wait_for_url("**/login**", timeout=20_000)


def test_an_old_browser_shows_pictures_and_one_that_cannot_says_so(live_page: LivePage) -> None:
    page = live_page.page
    live_page.wait_state("cam1", "live")
    page.add_init_script("delete AbortSignal.any; delete AbortSignal.timeout;")
    page.reload()
    assert page.evaluate("AbortSignal.any === undefined && AbortSignal.timeout === undefined")
    live_page.wait_state("cam1", "live")
    page.add_init_script("window.createImageBitmap = undefined;")
    page.reload()
    live_page.wait_state("cam1", "broken")
    assert live_page.text("cam1", "state") == "This browser cannot show the live pictures; a newer one can"
    assert len(live_page.errors) == 1, "in its console once"
