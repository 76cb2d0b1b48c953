"""A program: the web server with the dashboard laid over, on an outbox in memory. Told what to do by its input.

``python whole_site.py DIRECTORY`` tells its address, then an answer to each line: ``walk`` (every address there is, as
JSON), ``capture N`` (one more that was given up). It ends when its input ends. Only one NiceGUI application fits in a
process: hence a program.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fastapi import FastAPI
from nicegui import dependencies
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

import web_site
from vigia.bootstrap.reasons import reason_in
from vigia.infrastructure.web.app import SiteParts, make_app
from vigia.infrastructure.web.dashboard.context import DashboardParts
from vigia.infrastructure.web.dashboard.site import dashboard

FILLED = {"{capture_id}": "0" * 31 + "1", "{camera_id}": "cam1", "{rest:path}": "nothing", "{number}": "1"}
SOCKET = "/socket.io/?EIO=4&transport=polling"


def whole_app(parts: SiteParts) -> FastAPI:
    """The site as a run makes it."""
    assert parts.gallery is not None
    assert parts.system is not None
    entrance = parts.entrance
    pages = DashboardParts(
        parts.view, parts.gallery, parts.system, parts.operate, entrance.clock, lambda: "en", reason_in,
        still_in=entrance.sessions.holds,
    )  # fmt: skip
    return make_app(parts, dashboard=dashboard(pages))


def walk(routes: Iterable[Any], prefix: str = "") -> Iterator[str]:
    """An address of every route, those of mounted applications among them; of files, one that is there."""
    for route in routes:
        if isinstance(route, Mount):
            inner = getattr(route.app, "routes", None)
            if isinstance(route.app, StaticFiles):
                assert route.app.directory is not None
                directory = Path(route.app.directory)
                file = next(path for path in sorted(directory.iterdir()) if path.is_file())
                yield f"{prefix}{route.path}/{file.name}"
            elif inner:
                yield from walk(inner, prefix + route.path)
            else:
                yield f"{prefix}{route.path}{SOCKET}"
        elif (inner := getattr(route, "original_router", None)) is not None:
            yield from walk(inner.routes, prefix)
        else:
            yield from filled(prefix + route.path)


def filled(path: str) -> Iterator[str]:
    """The address with something in its places that is there, as far as anything is."""
    kinds = {
        "/libraries/{key:path}": [*dependencies.libraries],
        "/components/{key:path}": [*dependencies.js_components],
        "/resources/{key}/{path:path}": list(in_folders(dependencies.resources)),
        "/esm/{key}/{path:path}": list(in_folders(dependencies.esm_modules)),
        "/dynamic_resources/{name}": [*dependencies.dynamic_resources],
    }
    for end, there in kinds.items():
        if path.endswith(end):
            names = there[:1] or ["none"]
            yield from (f"{path.removesuffix(end)}/{end.split('/')[1]}/{name}" for name in names)
            return
    for place, value in FILLED.items():
        path = path.replace(place, value)
    assert "{" not in path, path
    yield path


def in_folders(found: dict[str, Any]) -> Iterator[str]:
    """A file of each folder that the library serves."""
    for key, one in found.items():
        yield from (f"{key}/{file.name}" for file in sorted(one.path.iterdir())[:50] if file.is_file())


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    with patch.object(web_site, "make_app", whole_app):
        site = web_site.WebSite(Path(sys.argv[1]))
    site.start()
    tell(site.url)
    for line in sys.stdin:
        order, _, what = line.strip().partition(" ")
        if order == "walk":
            tell(json.dumps(sorted(set(walk(site.app.routes)))))
        elif order == "capture":
            tell(site.dead_capture(int(what)))
    site.stop()


if __name__ == "__main__":
    main()
