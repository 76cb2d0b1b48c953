"""What every answer carries, and what is read off a request before anything else: host, origin, address."""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers

STRICT_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Of what is ours: no script at all."""
DASHBOARD_CSP = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; form-action 'self'; "
    "base-uri 'self'; frame-ancestors 'none'"
)
"""Of the dashboard's pages: NiceGUI compiles its templates in the browser. Nothing from outside all the same."""
STATIC_PREFIXES = ("/_nicegui/",)
"""Files of the dashboard's libraries: the same for everybody, and named by version."""
COMMON = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With no-referrer a browser sends "Origin: null" with our own forms, and their origin could not be checked.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


def answer_headers(path: str, *, strict: bool, own_caching: bool) -> dict[str, str]:
    """Headers of an answer to a request for ``path``.

    Args:
        path: as asked.
        strict: the page is ours and runs no script.
        own_caching: the answer says itself how it may be kept; heard only where nothing is personal.
    """
    headers = {**COMMON, "content-security-policy": STRICT_CSP if strict else DASHBOARD_CSP}
    if not (own_caching and path.startswith(STATIC_PREFIXES)):
        headers["cache-control"] = "no-store"
    return headers


def host_is_ours(headers: Headers, names: Collection[str]) -> bool:
    """Whether the request was meant for this server: a page of another name that leads here (DNS rebinding) is not.

    An address is always ours: nobody but its owner can serve a page from it. ``names`` are in lower case.
    """
    hosts = headers.getlist("host")
    if len(hosts) != 1:
        return False
    try:
        parts = urlsplit(f"//{hosts[0]}")
        name, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not name or parts.path or parts.query or parts.username is not None:
        return False
    try:
        ip_address(name)
    except ValueError:
        return name in names
    return True


def origin_matches(headers: Headers, *, scheme: str) -> bool | None:
    """Whether the request comes from a page of ours; None when the browser does not say.

    Scripts and old browsers say nothing. ``scheme`` is ``http`` or ``https``, as browsers speak with us.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    origin = headers.get("origin")
    if origin is None:
        return None if site is None else site == "same-origin"
    return origin.lower() == f"{scheme}://{headers.get('host', '').lower()}"


def wants_page(headers: Headers) -> bool:
    """Whether a person's browser asks for a page, and not a program for data."""
    return "text/html" in headers.get("accept", "")
