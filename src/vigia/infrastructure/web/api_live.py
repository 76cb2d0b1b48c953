"""``/api/live``: pictures of cameras while somebody watches, many cameras to an answer.

The answer is one binary file: four bytes with the length of the head (unsigned, big end first), the head (JSON), then
the JPEGs one after the other, as long as the head says. A request waits for a newer picture for WAIT_S at most, in the
event loop and not in a thread; pictures are scaled and encoded in one of the framework's threads, one request after the
other, so that browsers share what is made. A browser that does not read its answer has SEND_S; then what is left of it
is let go.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Path, Query
from pydantic import AfterValidator
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from vigia.application.live_pictures import WIDTHS_PX, LivePictures
from vigia.application.live_tap import WATCH_S, LiveBox, LiveJpeg, LiveShot
from vigia.domain.camera import CameraId

CAMERAS_MAX: Final = 32
"""In one request."""
ASKING_MAX: Final = 8
"""Answers that are made and sent at once."""
WAITING_MAX: Final = 32
"""Requests that wait for a picture, or to be answered: one a page. They hold no picture and cost little."""
WAIT_S: Final = 1.0
STILL_WAIT_S: Final = 3.0
"""A camera that nobody watched gives its first picture with its next frame; one of a slow camera takes a while."""
UNKNOWN_PAUSE_S: Final = 1.0
"""Where none of the cameras is known there is nothing to wait for; one that begins is found so soon."""
POLL_S: Final = 0.05
SEND_S: Final = 5.0
RETRY_AFTER_S: Final = 2
UNSEEN_S: Final = 0.5
"""A face that was last found longer ago is where it is expected, not where it was seen."""
MEDIA_TYPE: Final = "application/vnd.vigia.live"
_ID = re.compile(r"[\w.-]{1,64}")


def _listed(text: str) -> str:
    ids = text.split(",")
    if len(ids) > CAMERAS_MAX or not all(_ID.fullmatch(one) for one in ids):
        raise ValueError(f"at most {CAMERAS_MAX} camera ids with commas between")
    return text


CameraList = Annotated[str, Query(min_length=1, max_length=CAMERAS_MAX * 65), AfterValidator(_listed)]
Width = Annotated[int, Query(ge=16, le=WIDTHS_PX[-1])]


class LiveAnswer(Response):
    """Sends its parts one by one, so that a browser that does not read holds up one of them and no more.

    Owner: the request's task.
    """

    media_type = MEDIA_TYPE

    def __init__(self, parts: Sequence[bytes], release: "Turnstile") -> None:
        super().__init__()
        self._parts = list(parts)
        self._release = release
        del self.headers["content-length"]  # unknown until the browser has read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's
        """Send it, or cut it short: the head says how long it should have been."""
        try:
            async with asyncio.timeout(SEND_S):
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                while self._parts:
                    await send({"type": "http.response.body", "body": self._parts.pop(0), "more_body": True})
        except TimeoutError:
            pass
        finally:
            self._parts.clear()
            self._release.leave()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class Turnstile:
    """How many requests are under way. Owner: the event loop."""

    def __init__(self, most: int) -> None:
        self.inside = 0
        self._most = most

    def enter(self) -> bool:
        """Go in, if there is room."""
        if self.inside >= self._most:
            return False
        self.inside += 1
        return True

    def leave(self) -> None:
        """Go out."""
        self.inside -= 1


class LiveApi:
    """Owner: the event loop, but for ``_encode``, which runs in a thread, one request at a time.

    Bounds: WAITING_MAX requests that wait and ASKING_MAX that are answered; what ``LivePictures`` keeps.

    Args:
        pictures: what is shown.
    """

    def __init__(self, pictures: LivePictures) -> None:
        self._pictures = pictures
        self._turnstile = Turnstile(ASKING_MAX)
        self._waiting = Turnstile(WAITING_MAX)
        self._turn = asyncio.Lock()
        self._sweep_timer: asyncio.TimerHandle | None = None

    def routes(self) -> APIRouter:
        """Below ``/api``."""
        router = APIRouter(prefix="/api")
        router.get("/live", response_class=Response)(self.live)
        router.get("/cameras/{camera_id}/live.jpg", response_class=Response)(self.still)
        return router

    async def live(
        self,
        *,
        cameras: CameraList,
        width: Width = 480,
        after: Annotated[int, Query(ge=0, le=2**53)] = 0,
        calm: bool = False,
    ) -> Response:
        """Pictures that are newer than ``after``, of all these cameras; without any after WAIT_S.

        ``calm``: that too many ask is said in the answer's head and not by 429: browsers write that into their console.
        """
        ids = [CameraId(text) for text in dict.fromkeys(cameras.split(","))]
        if self._pictures.feed.interval_s <= 0.0:
            return _plain({"off": True, "seq": after, "cameras": []})
        if not self._waiting.enter():
            return self._busy(after, calm=calm)
        try:
            known = self._watch(ids, width)
            fresh = bool(known) and await self._newer(ids, after)
            if fresh and not await self._room():
                return self._busy(after, calm=calm)
        finally:
            self._waiting.leave()
        pause_s = self._pictures.feed.interval_s if known else UNKNOWN_PAUSE_S
        head: dict[str, Any] = {
            "seq": after,
            "interval_ms": round(1000.0 * pause_s),
            "unknown": [camera_id for camera_id in ids if camera_id not in known],
            "cameras": [],
        }
        if not fresh:
            return _plain(head)
        handed_on = False
        try:
            files = await self._files(self._fresh(ids, after), width)
            head["seq"] = max((shot.seq for shot, _ in files), default=after)
            head["cameras"] = [self._told(shot, jpeg) for shot, jpeg in files]
            answer = LiveAnswer([_head(head), *(jpeg.content for _, jpeg in files)], self._turnstile)
            handed_on = True
            return answer
        finally:
            if not handed_on:
                self._turnstile.leave()

    async def still(
        self, camera_id: Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[\w.-]+$")], width: Width = 1280
    ) -> Response:
        """One camera's picture of now, without boxes."""
        ids = [CameraId(camera_id)]
        if self._pictures.feed.interval_s <= 0.0:
            raise HTTPException(404, "no_picture")
        if not self._waiting.enter():
            raise _too_many()
        try:
            if not self._watch(ids, width):
                raise HTTPException(404, "no_picture")
            fresh = await self._newer(ids, 0, wait_s=STILL_WAIT_S)
            if fresh and not await self._room():
                raise _too_many()
        finally:
            self._waiting.leave()
        if not fresh:
            raise HTTPException(404, "no_picture")
        try:
            files = await self._files(self._fresh(ids, 0), width)
        finally:
            self._turnstile.leave()
        if not files:
            raise HTTPException(404, "no_picture")
        return Response(files[0][1].content, media_type="image/jpeg")

    def _watch(self, ids: Sequence[CameraId], width_px: int) -> frozenset[CameraId]:
        known = self._pictures.feed.watch(ids, width_px=width_px)
        if self._sweep_timer is None:
            self._sweep_later()
        return frozenset(known)

    def _sweep_later(self) -> None:
        self._sweep_timer = asyncio.get_running_loop().call_later(0.5 * WATCH_S, self._sweep)

    def _sweep(self) -> None:
        self._sweep_timer = None
        if self._pictures.sweep() or self._turnstile.inside or self._waiting.inside:
            self._sweep_later()

    async def _newer(self, ids: Sequence[CameraId], after: int, *, wait_s: float = WAIT_S) -> bool:
        """Wait until there is a picture newer than ``after``. None is held meanwhile."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + wait_s
        while not self._fresh(ids, after):
            if loop.time() >= deadline_s:
                return False
            await asyncio.sleep(POLL_S)
        return True

    def _fresh(self, ids: Sequence[CameraId], after: int) -> list[LiveShot]:
        """Pictures newer than ``after``; a number from before this server began counts as none."""
        latest = [shot for camera_id in ids if (shot := self._pictures.feed.latest(camera_id)) is not None]
        since = after if max((shot.seq for shot in latest), default=0) >= after else 0
        return [shot for shot in latest if shot.seq > since]

    async def _room(self) -> bool:
        """A place among those that are answered: many wait for the same picture, and all of them are woken by it."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + WAIT_S
        while not self._turnstile.enter():
            if loop.time() >= deadline_s:
                return False
            await asyncio.sleep(POLL_S)
        return True

    def _busy(self, after: int, *, calm: bool) -> Response:
        if calm:
            return _plain({"busy": True, "retry_after_s": RETRY_AFTER_S, "seq": after, "cameras": []})
        raise _too_many()

    async def _files(self, shots: Sequence[LiveShot], width_px: int) -> list[tuple[LiveShot, LiveJpeg]]:
        async with self._turn:
            return await run_sync(self._encode, shots, width_px)

    def _encode(self, shots: Sequence[LiveShot], width_px: int) -> list[tuple[LiveShot, LiveJpeg]]:
        made = ((shot, self._pictures.jpeg(shot, width_px)) for shot in shots)
        return [(shot, jpeg) for shot, jpeg in made if jpeg is not None]

    def _told(self, shot: LiveShot, jpeg: LiveJpeg) -> dict[str, Any]:
        width, height = shot.size_wh
        return {
            "id": shot.camera_id,
            "seq": shot.seq,
            "width": jpeg.size_wh[0],
            "height": jpeg.size_wh[1],
            "age_ms": round(1000.0 * self._pictures.age_s(shot)),
            "bytes": len(jpeg.content),
            "boxes": [_box(box, width, height) for box in shot.boxes],
        }


def _box(box: LiveBox, width: int, height: int) -> dict[str, Any]:
    """In shares of the picture: a page does not care how large the camera's picture is."""
    left, top, right, bottom = box.box_xyxy
    edges = (left / width, top / height, right / width, bottom / height)
    return {
        "track": box.track_id,
        "box": [round(min(1.0, max(0.0, edge)), 4) for edge in edges],
        "quality": round(box.quality, 3),
        "confidence": round(box.confidence, 3),
        "state": "expected" if box.unseen_s > UNSEEN_S else "seen",
    }


def _head(head: dict[str, Any]) -> bytes:
    text = json.dumps(head, separators=(",", ":")).encode()
    return len(text).to_bytes(4, "big") + text


def _too_many() -> HTTPException:
    return HTTPException(429, "too_many_watch", headers={"retry-after": str(RETRY_AFTER_S)})


def _plain(head: dict[str, Any]) -> Response:
    return Response(_head(head), media_type=MEDIA_TYPE)
