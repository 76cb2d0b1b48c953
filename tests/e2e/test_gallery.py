"""A real run remembers what it delivered and what it did not send, as threads and as processes."""

import signal
from typing import Any

import httpx
import psutil
import pytest
import simplejpeg
import yaml

from running import Site, wait_for
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.web.users import Role, UserFile
from web_site import PASSWORD, log_in

LONG_S = 60.0


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_a_delivered_face_and_an_unsent_one_are_shown(site: Site, mode: str) -> None:
    settings: dict[str, Any] = yaml.safe_load((site.root / "config.yaml").read_text(encoding="utf-8"))
    settings["cameras"][1]["settings"] = {"filter_min_size": 4000}  # nobody is large enough for this one
    web = {"port": 0, "password_file": str(site.root / "users.json")}
    site.configure(**settings, language="en", web=web, shards={"mode": mode})
    users = UserFile(site.root / "users.json")
    users.set_password("vera", PASSWORD, role=Role.VIEWER, now_utc=SystemClock().utc())
    program = site.start("run")
    with httpx.Client(base_url=program.web_address(), timeout=30.0, trust_env=False) as client:
        assert log_in(client, "vera").status_code == 303

        def delivered() -> dict[str, Any] | None:
            found = client.get("/api/feed", params={"state": "delivered", "camera": "cam1"}).json()["captures"]
            for capture in found:
                page: dict[str, Any] = client.get(f"/api/captures/{capture['id']}").json()
                if page["candidates"] and page["frame_kept"]:
                    return page
            return None

        page = wait_for(delivered, timeout_s=LONG_S, what="a delivered capture with its candidates")
        assert page is not None
        assert not page["picture_kept"]
        assert page["event_ids"]
        assert [one["chosen"] for one in page["candidates"]].count(True) == 1
        kept = [one["number"] for one in page["candidates"] if one["face_kept"]]
        for name in ("face", "frame", *(f"candidates/{number}" for number in kept)):
            answer = client.get(f"/api/captures/{page['id']}/{name}")
            assert answer.status_code == 200, name
            assert min(simplejpeg.decode_jpeg(answer.content).shape[:2]) >= 16

        def unsent() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = client.get("/api/unsent", params={"camera": "cam2"}).json()["unsent"]
            return found

        track = wait_for(unsent, timeout_s=LONG_S, what="a track that was not sent")[0]
        assert "tracks.filter_min_size" in {one["setting"] for one in track["obstacles"]}
        face = client.get(f"/api/unsent/{track['number']}/face")
        assert max(simplejpeg.decode_jpeg(face.content).shape) <= 200
        assert not client.get("/api/feed", params={"camera": "cam2"}).json()["captures"]
    workers = psutil.Process(program.process.pid).children(recursive=True)
    assert bool(workers) == (mode == "processes")
    program.process.send_signal(signal.SIGTERM)
    assert program.end() == 0, program.stderr()
    assert "Traceback" not in program.stderr()
