"""From the settings of one camera to how its stream is opened: the one place that says so."""

from vigia.domain.camera import Camera
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.camera_overrides import playback_of, settings_for
from vigia.infrastructure.video.source_options import Pace, SourceOptions


def source_options(settings: Settings, camera: Camera, *, loop_files: bool = False) -> SourceOptions:
    """How a camera is opened and read.

    Args:
        settings: of all cameras.
        camera: with what it has of its own.
        loop_files: a file starts over at its end, where its camera does not say.
    """
    chosen = settings_for(settings, camera).source
    playback = playback_of(camera)
    return SourceOptions(
        open_timeout_s=chosen.open_timeout_s,
        first_frame_timeout_s=chosen.first_frame_timeout_s,
        read_timeout_s=chosen.read_timeout_s,
        rtsp_transport=chosen.rtsp_transport,
        tls_verify=chosen.tls_verify,
        tls_ca_file="" if chosen.tls_ca_file is None else str(chosen.tls_ca_file),
        loop=loop_files if playback.loop is None else playback.loop,
        pace=Pace(playback.pace),
    )
