"""Chromium at the dashboard: what it complains of, what it asks of others, and pictures of what it shows."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed")
"""For ``pytestmark``. In CI nothing is skipped."""
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 780}
REFUSED = ("status of 403", "status of 429", "status of 404")
"""What Chromium itself writes to the console about a page with such a status: a log-in refused, no such page."""
PARTS = ("/api/", "/_nicegui", "/dashboard-assets/")
"""What a page is made of: none of it may be refused or missing."""


@dataclass
class Browser:
    """A browser that writes down whatever it complains of. Owner: the test."""

    chromium: Any
    host: str
    shots: Path | None
    """Where pictures of the pages are kept; None: nowhere."""
    complaints: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    """Requests that went anywhere but to vigia."""

    def visitor(self, *, size: dict[str, int] | None = None, locale: str = "pt-BR", dark: bool = False) -> Any:
        """A page of a visitor of their own: no cookie of anybody else's."""
        context = self.chromium.new_context(
            viewport=size if size is not None else DESKTOP,
            locale=locale,
            timezone_id="America/Sao_Paulo",
            color_scheme="dark" if dark else "light",
        )
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("request", self._asked)
        return page

    def picture(self, page: Any, name: str) -> None:
        """Keep what is shown, for a person to look at."""
        if self.shots is not None:
            page.screenshot(path=str(self.shots / f"{name}.png"), full_page=True)

    def _heard(self, message: Any) -> None:
        where = urlsplit(str(message.location.get("url", ""))).path
        own = any(text in message.text for text in REFUSED) and not where.startswith(PARTS)
        if message.type in {"error", "warning"} and not own:
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _asked(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != self.host:
            self.outside.append(request.url)


@contextmanager
def chromium_running() -> Iterator[Any]:
    """Debian's Chromium, for as long as the test goes on."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def browser_at(url: str) -> Iterator[Browser]:
    """A browser for the pages at ``url``. ``VIGIA_SCREENSHOTS`` names a folder for pictures."""
    shots = os.environ.get("VIGIA_SCREENSHOTS")
    with chromium_running() as chromium:
        yield Browser(chromium, urlsplit(url).netloc, None if shots is None else Path(shots))


def log_in_at(page: Any, url: str, user: str, password: str) -> None:
    """Fill in the form and send it."""
    page.goto(f"{url}/login")
    page.fill("input[name=user]", user)
    page.fill("input[name=password]", password)
    page.click("button")


def named(page: Any, testid: str) -> Any:
    """The element that a page calls so."""
    return page.get_by_test_id(testid)


def wider_than_screen(page: Any) -> int:
    """By how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
