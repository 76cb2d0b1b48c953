"""The answer with live pictures: sent piece by piece, and let go where nobody reads."""

import asyncio
import json

import pytest
from starlette.responses import Response
from starlette.types import Message

from vigia.application.live_pictures import LivePictures
from vigia.application.live_tap import LiveTap
from vigia.domain.camera import CameraId
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.video.live_jpeg import SwscaleSmallJpegs
from vigia.infrastructure.web import api_live
from vigia.infrastructure.web.api_live import ASKING_MAX, WAITING_MAX, LiveAnswer, LiveApi, Turnstile

PARTS = [b"head", b"one", b"two"]


class Reader:
    """A browser: after ``reads`` messages it stalls until it is told to go on."""

    def __init__(self, reads: int) -> None:
        self.got: list[Message] = []
        self.goes_on = asyncio.Event()
        self._reads = reads

    async def send(self, message: Message) -> None:
        if len(self.got) >= self._reads:
            await self.goes_on.wait()
        self.got.append(message)

    @property
    def content(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.got)


class ToldTurnstile(Turnstile):
    """Says when somebody has left."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.left = asyncio.Event()

    def leave(self) -> None:
        super().leave()
        self.left.set()


async def never() -> Message:
    raise AssertionError("nothing is asked of the browser")


def test_all_of_it_goes_to_who_reads() -> None:
    async def scene() -> None:
        turnstile, reader = Turnstile(1), Reader(reads=100)
        assert turnstile.enter()
        await LiveAnswer(PARTS, turnstile)({"type": "http"}, never, reader.send)
        assert reader.content == b"headonetwo"
        assert reader.got[0]["status"] == 200
        names = {name for name, _ in reader.got[0]["headers"]}
        assert b"content-type" in names
        assert b"content-length" not in names, "an answer that is cut short must not break its promise"
        assert reader.got[-1]["more_body"] is False
        assert turnstile.enter(), "there is room again"

    asyncio.run(scene())


def test_who_does_not_read_holds_no_place_and_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_live, "SEND_S", 0.05)

    async def scene() -> None:
        turnstile, reader = ToldTurnstile(1), Reader(reads=2)  # the beginning and the head
        assert turnstile.enter()
        answer = LiveAnswer(PARTS, turnstile)
        sending = asyncio.ensure_future(answer({"type": "http"}, never, reader.send))
        assert not turnstile.enter()
        async with asyncio.timeout(5.0):
            await turnstile.left.wait()
        assert turnstile.inside == 0
        assert answer._parts == []
        assert not sending.done(), "the connection is still his"
        reader.goes_on.set()
        await sending
        assert reader.content == b"head", "cut short, as the head's sizes tell"
        assert reader.got[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

    asyncio.run(scene())


def test_a_turnstile_has_so_many_places() -> None:
    turnstile = Turnstile(2)
    assert [turnstile.enter() for _ in range(3)] == [True, True, False]
    turnstile.leave()
    assert turnstile.enter()


def is_busy(answer: Response) -> bool:
    content = bytes(answer.body)
    return bool(json.loads(content[4 : 4 + int.from_bytes(content[:4], "big")]).get("busy"))


def test_who_waits_for_a_picture_takes_no_place_of_those_that_are_answered() -> None:
    async def scene() -> None:
        clock = SystemClock()
        tap = LiveTap(clock, fps=3.0)
        tap.slot(CameraId("cam1"))  # known, and without a picture: everybody waits
        api = LiveApi(LivePictures(tap, SwscaleSmallJpegs(), clock=clock))
        asked = [api.live(cameras="cam1", calm=True) for _ in range(WAITING_MAX + 1)]
        busy = [is_busy(answer) for answer in await asyncio.gather(*asked)]
        assert WAITING_MAX > ASKING_MAX
        assert busy == [False] * WAITING_MAX + [True]
        assert not is_busy(await api.live(cameras="cam1", calm=True)), "there is room again"

    asyncio.run(scene())
