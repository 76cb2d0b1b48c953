"""A real RTSP server on GStreamer, run by the system's Python: ``rtsp_server.py SITE.json``; ``rtsp.py`` drives it.

Plays feeds (coded pictures with their times, made by ``rtsp.make_feed``) at the pace of a camera. Prints its port,
obeys the lines that come on its standard input, and ends with it.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401 - the versions come first

Gst.init(None)

CAPS = {
    "h264": "video/x-h264,stream-format=byte-stream,alignment=au",
    "h265": "video/x-h265,stream-format=byte-stream,alignment=au",
    "mjpeg": "image/jpeg",
}
PAYERS = {
    "h264": "h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 config-interval=-1",
    "h265": "h265parse config-interval=-1 ! rtph265pay name=pay0 pt=96 config-interval=-1",
    "mjpeg": "jpegparse ! rtpjpegpay name=pay0 pt=26",
}
SOUND_CAPS = "audio/x-alaw,rate=8000,channels=1"
SOUND = "appsrc name=sound ! rtppcmapay name=pay1 pt=8"
SOUND_S = 0.1
SILENCE = b"\xd5" * round(8000 * SOUND_S)
"""A packet of nothing, in A-law."""
NOBODY = "anonymous"


class Feed:
    """Coded pictures and their times: a line of JSON, then the bytes."""

    def __init__(self, path: str) -> None:
        data = Path(path).read_bytes()
        end = data.index(b"\n")
        header = json.loads(data[:end])
        self.codec = header["codec"]
        self.duration_s = header["duration_s"]
        self.units = []
        at = end + 1
        for due_s, pts_s, dts_s, size in header["units"]:
            self.units.append((due_s, pts_s, dts_s, data[at : at + size]))
            at += size


class Mount:
    """One path of the server, and whether it sends pictures just now."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.path = "/" + description["name"]
        self.feed = Feed(description["feed"])
        self.loop = description["loop"]
        self.flowing = threading.Event()
        self.flowing.set()
        self.sound = description["sound"]
        sound = f" {SOUND}" if self.sound else ""
        self.factory = GstRtspServer.RTSPMediaFactory()
        self.factory.set_launch(f"( appsrc name=feed ! {PAYERS[self.feed.codec]}{sound} )")
        self.factory.set_shared(description["shared"])
        self.factory.connect("media-configure", self.configure)

    def configure(self, _factory: object, media: Any) -> None:
        """Begin to feed a new viewer's pipeline once it asks."""
        self.begin(media, "feed", CAPS[self.feed.codec], self.play)
        if self.sound:
            self.begin(media, "sound", SOUND_CAPS, self.sound_on)

    def begin(self, media: Any, name: str, caps: str, push: Callable[[Any], None]) -> None:
        """Let a thread push into an appsrc as soon as it asks."""
        source = media.get_element().get_by_name(name)
        source.set_property("caps", Gst.Caps.from_string(caps))
        source.set_property("is-live", True)
        source.set_property("format", Gst.Format.TIME)
        source.set_property("max-bytes", 0)
        begun = threading.Event()

        def asked(*_: object) -> None:
            if not begun.is_set():
                begun.set()
                threading.Thread(target=push, args=(source,), daemon=True).start()  # noqa: TID251 - no part of vigia

        source.connect("need-data", asked)

    def play(self, source: Any) -> None:
        """Push every picture when it is due, until nobody takes them any more."""
        zero_s, start_s, round_s = running_s(source), time.monotonic(), 0.0
        while True:
            for due_s, pts_s, dts_s, data in self.feed.units:
                self.flowing.wait()
                wait_until(start_s + round_s + due_s)
                buffer = Gst.Buffer.new_wrapped(data)
                if pts_s is not None:
                    buffer.pts = max(0, round((zero_s + round_s + pts_s) * Gst.SECOND))
                if dts_s is not None:
                    buffer.dts = max(0, round((zero_s + round_s + dts_s) * Gst.SECOND))
                if source.push_buffer(buffer) != Gst.FlowReturn.OK:
                    return
            if not self.loop:
                source.end_of_stream()
                return
            round_s += self.feed.duration_s

    def sound_on(self, source: Any) -> None:
        """Push silence for ever."""
        zero_s, start_s, at_s = running_s(source), time.monotonic(), 0.0
        while True:
            wait_until(start_s + at_s)
            buffer = Gst.Buffer.new_wrapped(SILENCE)
            buffer.pts, buffer.duration = round((zero_s + at_s) * Gst.SECOND), round(SOUND_S * Gst.SECOND)
            if source.push_buffer(buffer) != Gst.FlowReturn.OK:
                return
            at_s += SOUND_S


def running_s(source: Any) -> float:
    """The pipeline's present time."""
    return float((source.get_clock().get_time() - source.get_base_time()) / Gst.SECOND)


def wait_until(due_s: float) -> None:
    """A camera's pace."""
    delay_s = due_s - time.monotonic()
    if delay_s > 0.0:
        time.sleep(delay_s)  # noqa: TID251 - no part of vigia


def make_auth(site: dict[str, Any]) -> Any:
    """Who may see what: one account or everybody; and the certificate."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", site["user"] or NOBODY)
    if not site["user"]:
        auth.set_default_token(token)
    elif site["digest"]:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(site["user"], site["password"], token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(site["user"], site["password"]), token)
    if site["certificate"]:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(site["certificate"]))
    return auth


def obey(mounts: dict[str, Mount], points: Any) -> None:
    """Read orders, one a line, until nobody gives any more."""
    for line in sys.stdin:
        order, _, name = line.strip().partition(" ")
        mount = mounts[name]
        if order == "hold":
            mount.flowing.clear()
        elif order == "release":
            mount.flowing.set()
        elif order == "remove":
            points.remove_factory(mount.path)
        print("done", flush=True)  # noqa: T201 - how the test learns it
    GLib.idle_add(loop.quit)


site = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(str(site["port"]))
auth = make_auth(site)
server.set_auth(auth)
mounts = {}
for description in site["mounts"]:
    mount = mounts[description["name"]] = Mount(description)
    permissions = GstRtspServer.RTSPPermissions()
    role = site["user"] or NOBODY
    permissions.add_permission_for_role(role, "media.factory.access", True)
    permissions.add_permission_for_role(role, "media.factory.construct", True)
    mount.factory.set_permissions(permissions)
    server.get_mount_points().add_factory(mount.path, mount.factory)
if not server.attach(None):
    sys.exit("the port is taken")
loop = GLib.MainLoop()
print(server.get_bound_port(), flush=True)  # noqa: T201 - how the test learns it
threading.Thread(target=obey, args=(mounts, server.get_mount_points()), daemon=True).start()  # noqa: TID251 - no part of vigia
loop.run()
