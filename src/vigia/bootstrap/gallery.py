"""The gallery of a run, wired from settings: where it is wanted, else nothing is taken, kept or made."""

from collections.abc import Callable, Sequence

from vigia.application.gallery_desk import GalleryDesk
from vigia.application.gallery_store import GalleryStore, WatchedStore
from vigia.application.gallery_values import GalleryItem
from vigia.application.ports import CaptureStore, Clock, Sheddable
from vigia.application.service import LoopService
from vigia.bootstrap.posting_parts import picture_rules
from vigia.domain.capture import CaptureId
from vigia.infrastructure.config import Settings
from vigia.infrastructure.video.face_cut import PlaneFaceCutter
from vigia.infrastructure.video.small_jpeg import SmallJpegEncoder

MEBIBYTE = 1 << 20
HOUR_S = 3600.0


class RunGallery:
    """What a run's dashboard remembers. Without a store all that it wraps stays what it is.

    Owner: the thread that makes and runs the system.
    """

    def __init__(self, store: GalleryStore | None, settings: Settings, *, clock: Clock) -> None:
        self.store = store
        self._settings = settings
        self._clock = clock
        self._services: list[LoopService] = []
        self._sheddables: list[Sheddable] = []
        if store is not None:
            self._sheddables.append(store)
            if settings.web.gallery_hours > 0.0:
                self._services.append(LoopService("gallery-age", store.step, clock=clock))

    @property
    def take(self) -> Callable[[GalleryItem], None] | None:
        """Keeps what a desk made; None: nobody wants it."""
        return None if self.store is None else self.store.take

    @property
    def sheddables(self) -> Sequence[Sheddable]:
        """What the memory manager may ask."""
        return self._sheddables

    @property
    def services(self) -> Sequence[LoopService]:
        """Those of the store, and of the desk in this process, if there is one."""
        return self._services

    def forget(self, capture_id: CaptureId) -> None:
        """A person removed a capture: its pictures go too."""
        if self.store is not None:
            self.store.forget(capture_id)

    def watched(self, store: CaptureStore) -> CaptureStore:
        """Where captures are committed."""
        return store if self.store is None else WatchedStore(store, self.store)

    def desk(self) -> GalleryDesk | None:
        """For shards of this process."""
        take = self.take
        if take is None:
            return None
        desk = gallery_desk(self._settings, deliver=take)
        self._services.append(desk_service(desk, clock=self._clock))
        self._sheddables.append(desk)
        return desk


def run_gallery(settings: Settings, *, wanted: bool, clock: Clock) -> RunGallery:
    """The gallery that these settings want. ``wanted``: whether this run serves pages at all."""
    bytes_max = settings.web.gallery_mb * MEBIBYTE
    wanted = wanted and settings.web.enabled and bytes_max > 0
    age_max_s = HOUR_S * settings.web.gallery_hours
    store = GalleryStore(bytes_max, clock=clock, age_max_s=age_max_s) if wanted else None
    return RunGallery(store, settings, clock=clock)


def gallery_desk(settings: Settings, *, deliver: Callable[[GalleryItem], None]) -> GalleryDesk:
    """The desk of one process. ``deliver``: see there."""
    return GalleryDesk(
        cutter=PlaneFaceCutter(), encoder=SmallJpegEncoder(), deliver=deliver, rules=picture_rules(settings.capture)
    )


def desk_service(desk: GalleryDesk, *, clock: Clock) -> LoopService:
    """Its thread, not started."""
    return LoopService("gallery", desk.step, clock=clock, wake=desk.work)
