"""A live picture on a page. All of a page's pictures share one loop in the browser (``assets/live.js``).

It asks only while somebody can see one of them.
"""

from typing import Final

from nicegui import ui

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.assets import asset_url
from vigia.infrastructure.web.dashboard.shell import context_of_page
from vigia.infrastructure.web.texts import say

TAG: Final = "vg-live"
NO_PICTURE: Final = mark("No picture")
NO_PICTURE_SINCE: Final = mark("No picture for {age}")
LIVE_OFF: Final = mark("Live pictures are switched off")
TOO_MANY_WATCH: Final = mark("Too many are watching; trying again")
BROKEN: Final = mark("This browser cannot show the live pictures; a newer one can")
_LOADED: Final = "vigia-live-script"


def live_picture(camera_id: str, *, label: str, width_px: int = 480) -> ui.element:
    """A camera's picture, a few times a second, with the boxes of its tracks, their numbers and their quality.

    The browser draws it, 16:9 until the first picture says otherwise, as wide as what it stands in.

    Args:
        camera_id: a camera of the list; one that delivers nothing shows that, and for how long.
        label: written into the picture, already in the reader's language.
        width_px: how fine the picture is asked for at most, whatever its size on the page.
    """
    load_live_script()
    ctx = context_of_page()
    language = "en" if ctx is None else ctx.language
    element = ui.element(TAG)
    element.props["data-camera"] = camera_id
    element.props["data-label"] = label
    element.props["data-width"] = width_px
    element.props["data-none"] = say(NO_PICTURE, language)
    element.props["data-since"] = say(NO_PICTURE_SINCE, language)
    element.props["data-off"] = say(LIVE_OFF, language)
    element.props["data-busy"] = say(TOO_MANY_WATCH, language)
    element.props["data-broken"] = say(BROKEN, language)
    element.props["data-testid"] = f"live-{camera_id}"
    return element


def load_live_script() -> None:
    """Have the page load what draws: once, and while the page is being made, as later it would not be run.

    A page on which pictures may appear later calls it at once.
    """
    client = ui.context.client
    if not client.storage.get(_LOADED):
        client.storage[_LOADED] = True
        ui.add_head_html(f'<script type="module" src="{asset_url("live.js")}"></script>')
