"""What looks after the list of cameras and their health during a run, wired from settings."""

import logging
import threading
from collections.abc import Callable, Sequence

from vigia.application.camera_health import HealthBoard, HealthLimits
from vigia.application.crew import Crew, RecentView
from vigia.application.errors import ConfigurationError, RetryableError
from vigia.application.ports import CameraRepository, Clock
from vigia.application.service import LoopService
from vigia.application.use_cases.sync_cameras import KnownCameras, SyncCamerasUseCase
from vigia.bootstrap.crews import without_secrets, without_tokens
from vigia.bootstrap.parts import camera_repository
from vigia.bootstrap.provisioned import provisioned
from vigia.bootstrap.status_page import StatusWriter
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.camera_overrides import settings_for
from vigia.infrastructure.config.camera_store import CameraFileStore
from vigia.infrastructure.config.combined_cameras import recombined
from vigia.infrastructure.config.layer import SettingPlaces
from vigia.infrastructure.config.reloading import SettingsFiles, live_settings, restart_keys
from vigia.infrastructure.metrics.status_file import StatusFile

logger = logging.getLogger("vigia.cameras")

AFTER_DEFECT_S = 30.0


def enduring(name: str, step: Callable[[], float]) -> Callable[[], float]:
    """``step``, so that a defect in it is told and does not end what it does for good."""

    def endured() -> float:
        try:
            return step()
        except Exception:
            logger.exception("%s: unexpected failure, going on in %.0f s", name, AFTER_DEFECT_S)
            return AFTER_DEFECT_S

    return endured


class ListedCameras:
    """The camera list by the settings as they are now: behind ``CameraRepository``.

    Owner: the thread that reads the list; ``settings`` may be read, and ``reload`` called, by any.

    Args:
        settings: as they were at the start.
        make_repository: the list by other settings.
        files: where the settings stand; None = nowhere that could change.
        known: the list as it was read last, for a change of the file while FindFace is away.
    """

    def __init__(
        self,
        settings: Settings,
        make_repository: Callable[[Settings], CameraRepository],
        *,
        files: SettingsFiles | None = None,
        known: Callable[[], Sequence[Camera]] = tuple,
    ) -> None:
        self.settings = settings
        """Those that count now."""
        self._make_repository = make_repository
        self._repository = make_repository(settings)
        self._files = files
        self._known = known
        self._asked = threading.Event()
        self._changed = False
        self._rules: Settings | None = None

    def reload(self) -> None:
        """Read the files again although they look the same. Any thread, a signal handler too."""
        self._asked.set()

    def changed(self) -> bool:
        """Whether a file was written since it was read. Cheap."""
        return self._files is not None and self._files.changed()

    def places(self) -> SettingPlaces:
        """Where the settings are written now. Any thread; reads the files.

        Raises:
            ConfigurationError: a file cannot be read.
        """
        return SettingPlaces(()) if self._files is None else self._files.places()

    @property
    def touched(self) -> bool:
        """Whether there are changed settings that nobody has taken yet."""
        return self._rules is not None

    def take_rules(self) -> Settings | None:
        """The settings that have changed since it was asked last, if they have."""
        rules, self._rules = self._rules, None
        return rules

    def list(self) -> list[Camera]:
        """All cameras of the list, inactive ones too. See the port.

        Raises:
            NoCameras, RecognizerUnavailable, CredentialsRejected, LicenseRejected.
        """
        return [*self._read(lambda repository: repository.list())]

    def all(self) -> Sequence[Camera]:
        """The same, none or only inactive ones too. Raises as ``list`` does, but never NoCameras."""
        return self._read(lambda repository: repository.all())

    def _read(self, read: Callable[[CameraRepository], Sequence[Camera]]) -> Sequence[Camera]:
        self._reread()
        try:
            cameras = read(self._repository)
        except RetryableError as error:
            if not self._changed:
                raise
            logger.warning(
                "FindFace's list cannot be read now: %s; the changed settings count for the known one", error
            )
            cameras = recombined(provisioned(self.settings), self._known())
        self._changed = False
        return cameras

    def _reread(self) -> None:
        """Take over what was written in the files, or say what is wrong with it and leave all as it is."""
        files = self._files
        if files is None or not (self._asked.is_set() or files.changed()):
            return
        self._asked.clear()
        try:
            fresh = files.read()
        except ConfigurationError as error:
            logger.error("The changed settings cannot be used, those of before stay: %s", error)
            return
        if keys := restart_keys(self.settings, fresh):
            logger.warning("Changed, and counts after a restart only: %s", ", ".join(keys))
        live = live_settings(self.settings, fresh)
        if live == self.settings:
            return
        logger.info("The changed settings count from now on")
        if live.reads_findface_cameras and not self.settings.reads_findface_cameras:
            logger.warning("No camera is configured any more: from now on FindFace's list counts (camera_list: auto)")
        self.settings, self._changed, self._rules = live, True, live
        self._repository = self._make_repository(live)


class _RecalledCameras(CameraFileStore):
    """What is recalled at the start, with the configuration's part of it as it is now."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.camera_list_file)
        self._settings = settings

    def load(self) -> KnownCameras | None:
        known = super().load()
        return (
            None
            if known is None
            else KnownCameras(recombined(provisioned(self._settings), known.cameras), known.former)
        )


class CameraWatch:
    """The list, who keeps it up to date, the health of its cameras, and the status file.

    Owner: the thread that makes it; its parts say theirs.

    Args:
        settings: checked.
        client: FindFace's.
        allow_files: its cameras may name files of this machine.
        files: where the settings stand.
        clock: for everything that waits or measures.
    """

    def __init__(
        self,
        settings: Settings,
        client: FindfaceMultiAsync,
        *,
        allow_files: bool,
        files: SettingsFiles | None,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self.board: HealthBoard | None = None
        """What is known of the cameras' health; made by ``services``."""
        self._status_file = StatusFile(settings.status_file, clock=clock)
        self.listed = ListedCameras(
            settings,
            lambda chosen: camera_repository(chosen, client, allow_files=allow_files),
            files=files,
            known=lambda: self.sync.listed,
        )
        self.sync = SyncCamerasUseCase(
            self.listed,
            clock=clock,
            interval_s=settings.findface.sync_interval_s,
            store=_RecalledCameras(settings) if settings.reads_findface_cameras else None,
            changed=self.listed.changed,
            touched=lambda: self.listed.touched,
        )

    def reload(self) -> None:
        """Read the settings' files and the list again soon. Any thread, a signal handler too."""
        self.listed.reload()
        self.sync.request_reload()

    def services(self, crew: Crew, view: RecentView) -> list[LoopService]:
        """What looks after ``crew``'s cameras, not started; ``view`` is what it shares with others."""
        sync, clock = self.sync, self._clock

        def hand_on(cameras: Sequence[Camera]) -> None:
            rules = self.listed.take_rules()
            crew.set_cameras(without_tokens(cameras), None if rules is None else without_secrets(rules))

        sync.follow(hand_on)
        board = self.board = HealthBoard(
            lambda: view().details, disabled=lambda: sync.disabled, limits=self._limits, clock=clock
        )
        writer = StatusWriter(
            self._status_file,
            cameras=lambda: sync.listed,
            statuses=lambda: view().details,
            board=board,
            clock=clock,
        )
        return [
            LoopService("sync-cameras", enduring("sync-cameras", sync.step), clock=clock),
            LoopService("health", enduring("health", board.step), clock=clock),
            LoopService(
                "status-file", enduring("status-file", writer.step), clock=clock, on_stop=self._status_file.remove
            ),
        ]

    def _limits(self, camera_id: CameraId) -> HealthLimits:
        camera = self.sync.camera(camera_id)
        settings = self.listed.settings if camera is None else settings_for(self.listed.settings, camera)
        return HealthLimits(no_face_s=settings.health.no_face_alarm_s, clock_off_s=settings.health.clock_off_alarm_s)
