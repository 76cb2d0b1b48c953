"""A page that nobody sees is not kept up to date, and shows at once what is now when it is seen again; in Chromium."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from browser import browser_at, named, needs_chromium
from web_site import PASSWORD
from whole_site_process import WholeSite, whole_site

pytestmark = needs_chromium

HIDE = """hidden => {
  Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
CARDS = "document.querySelectorAll('[data-testid=feed] article').length === {count}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WholeSite]:
    with whole_site(tmp_path) as site:
        yield site


def test_a_hidden_page_waits_until_it_is_seen(site: WholeSite) -> None:
    def shows(page: Any, count: int) -> None:
        page.wait_for_function(CARDS.format(count=count))

    site.order("capture 1")
    with browser_at(site.url) as browser:
        page = browser.visitor(locale="en-US")
        page.goto(f"{site.url}/login?next=/captures")  # the stand-in tells of captures, and too little for an overview
        page.fill("input[name=user]", "vera")
        page.fill("input[name=password]", PASSWORD)
        page.click("button")
        shows(page, 1)
        site.order("capture 2")
        shows(page, 2)  # a page that is seen goes on by itself
        page.evaluate(HIDE, True)
        page.wait_for_timeout(600)  # what was under way has come
        site.order("capture 3")
        page.wait_for_timeout(2500)
        assert named(page, "feed").locator("article").count() == 2
        page.evaluate(HIDE, False)
        shows(page, 3)
        assert browser.outside == []
