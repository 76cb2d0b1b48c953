"""A program: real cameras, the real server and door, and a page with two live pictures. Told what to do by its input.

``python live_page.py DIRECTORY CLIP…`` tells its address, then an answer to each line: ``watched`` (the cameras that
are watched now), ``without CAMERA``, ``end sessions``. It ends when its input ends.
"""

import sys
from pathlib import Path

from nicegui import ui

from live_site import CLOCK, crew_of_threads, running
from vigia.application.live_pictures import LivePictures
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.delivery_sections import CameraSettings
from vigia.infrastructure.config.vision_sections import DetectorSettings, TracksSettings
from vigia.infrastructure.video.live_jpeg import SwscaleSmallJpegs
from vigia.infrastructure.web.dashboard.assets import add_assets
from vigia.infrastructure.web.dashboard.live import live_picture
from web_site import WebSite


def settings_of(clips: list[str]) -> Settings:
    return Settings(
        detector=DetectorSettings(model="centerface", min_face_px=60, cadence_k=2),
        tracks=TracksSettings(filter_min_size=50, track_miss_interval_s=0.5),
        cameras=tuple(
            CameraSettings(id=f"cam{n + 1}", name=f"Portão {n + 1}", url=clip, loop=True)
            for n, clip in enumerate(clips)
        ),
    )


def wall() -> None:
    with ui.element("div").style("width: 480px; margin: 0 auto").props('data-testid="wall"') as place:
        live_picture("cam1", label="Portão 1")

    def more() -> None:
        with place:
            live_picture("cam2", label="Portão 2")

    ui.button("more", on_click=more).props('data-testid="more"')
    ui.element("div").style("height: 3000px")


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    directory, clips = Path(sys.argv[1]), sys.argv[2:]
    crew = crew_of_threads(settings_of(clips))
    with running(crew):
        site = WebSite(directory, live=LivePictures(crew.live, SwscaleSmallJpegs(), clock=CLOCK))
        ui.page("/wall", language="en-US")(wall)
        add_assets(site.app)
        ui.run_with(site.app, mount_path="/", tailwind=False, show_welcome_message=False, storage_secret=None)
        site.start()
        tell(site.url)
        for line in sys.stdin:
            order, _, what = line.strip().partition(" ")
            if order == "watched":
                tell(",".join(sorted(camera_id for camera_id, _ in crew.live.watched())))
            elif order == "without":
                crew.set_cameras([camera for camera in crew.cameras if camera.id != what])
                tell("ok")
            elif order == "end":
                site.clock.advance(7200.0)
                tell("ok")
        site.stop()


if __name__ == "__main__":
    main()
