"""When two camera addresses mean the same camera, and an address without its credentials."""

import re

from vigia.domain.camera import redact_url

_URL = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]{0,30})://(?P<place>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_DEFAULT_PORTS = {"rtsp": "554", "rtsps": "322", "http": "80", "https": "443", "rtmp": "1935", "rtmps": "443"}


def without_credentials(address: str) -> str:
    """The address without user and password; whatever else it says stays.

    >>> without_credentials("rtsp://ana:p4ss@10.0.0.5/s")
    'rtsp://10.0.0.5/s'
    """
    parts = _URL.fullmatch(address)
    if parts is None:
        return address
    return f"{parts['scheme']}://{parts['place'].rpartition('@')[2]}{parts['rest']}"


def address_key(address: str) -> str:
    """What two addresses of the same camera have in common. Pure; holds no password.

    Credentials do not count, neither before the host nor in the query: they change, and may be left out. Nor do
    capitals of scheme and host, a port that is the usual one, or a slash that ends a bare host.

    >>> address_key("RTSP://ana:p4ss@Cam.Example:554/s?channel=1")
    'rtsp://cam.example/s?channel=1'
    """
    text = address.strip().replace(" ", "%20")
    parts = _URL.fullmatch(text)
    if parts is None:
        return text
    scheme = parts["scheme"].lower()
    host = parts["place"].rpartition("@")[2].lower()
    host = host.removesuffix(f":{_DEFAULT_PORTS.get(scheme, '-')}")
    rest = "" if parts["rest"] == "/" else parts["rest"]
    return redact_url(f"{scheme}://{host}{rest}")
