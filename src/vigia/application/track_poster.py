"""Posts the shots of one camera's tracks: while they go on, and at their end; and books where each track ended.

``domain/posting.py`` says which shots and when; here they are offered to the commit queue, held against the passages
captured before, and counted. A track has exactly one fate, whatever it sent:

- ``captured``: one shot of it at least was taken. The further ones are counted apart;
- ``lost``: it was worth sending, and none of its shots could be taken;
- ``filtered``, with the reason: nothing of it was sent.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.application.use_cases.manage_tracks_use_case import Association
from vigia.domain.appearance import describe
from vigia.domain.camera import Camera, CameraId
from vigia.domain.errors import VigiaError
from vigia.domain.event import FaceEvent, Quality
from vigia.domain.ledger import CameraLedger, FilterReason, TrackFate
from vigia.domain.motion import TrackEnd, TrackId
from vigia.domain.passage_memory import PassageMemory, PassageRules, PassageTrace
from vigia.domain.posted_picture import PictureRules
from vigia.domain.posting import PostingPolicy, PostReason, Shot, ShotSelection
from vigia.domain.track import Track
from vigia.domain.track_filter import TrackFilter
from vigia.domain.track_note import TrackNote

logger = logging.getLogger("vigia.shard")

BREAKS = frozenset({TrackEnd.SILENCE, TrackEnd.DISCONTINUITY})
"""Ends after which the same passage may go on as another track. A split after ``track_max_duration`` is none: there,
another capture is what was asked for."""


class CaptureSink(Protocol):
    """Takes what tracks are worth sending."""

    def offer(self, request: CaptureRequest) -> None:
        """Hand one over; may wait a bounded time; raises VigiaError when it cannot be taken."""
        ...


@runtime_checkable
class TrackWitness(Protocol):
    """A sink that also wants to know where every track ended, after the last of its shots was offered."""

    def track_ended(self, track: Track, fate: TrackFate, reason: FilterReason | None) -> None:
        """Told in the shard's thread, once for each track; must be quick. ``reason``: of a filtered one."""
        ...


@runtime_checkable
class NoteKeeper(Protocol):
    """A sink that also wants to know how a track's shots were chosen. Told in the shard's thread; must be quick."""

    def new_note(self) -> TrackNote:
        """For the events of a track that begins."""
        ...

    def shot_sent(self, camera_id: CameraId, track_id: int, selection: ShotSelection) -> None:
        """A shot of a track that goes on was taken."""
        ...

    def passage_over(
        self,
        camera_id: CameraId,
        track_id: int,
        selection: ShotSelection,
        *,
        fate: TrackFate,
        reason: FilterReason | None,
        track_filter: TrackFilter,
    ) -> None:
        """A track is over; once for each, after its shots. ``track_filter``: what it was held against."""
        ...


class CloserJudge(Protocol):
    """Judges shots once more, closer."""

    def __call__(self, events: Sequence[FaceEvent], /) -> Sequence[Quality] | None:
        """The quality of each; None when there is no time for it."""
        ...


class TrackPoster:
    """Follows one camera's tracks and posts their shots.

    Owner: the camera's shard. Bounds: one selection an open track, each with ``PostingPolicy.pictures_max`` pictures.

    Args:
        camera: whose tracks.
        policy: which shots are sent, and when.
        track_filter: which tracks and shots are worth sending.
        captures: takes the shots; one that is a ``TrackWitness`` too is told of every track's end, one that is a
            ``NoteKeeper`` gets notes of how shots were chosen.
        ledger: where tracks end, in the books.
        memory: of the passages captured before; None = a track that broke is captured again.
        closer: decides between the best shot of a track and its rival; None = the score alone does.
    """

    def __init__(
        self,
        camera: Camera,
        *,
        policy: PostingPolicy,
        track_filter: TrackFilter,
        captures: CaptureSink,
        ledger: CameraLedger,
        memory: PassageMemory | None = None,
        closer: CloserJudge | None = None,
    ) -> None:
        self._camera = camera
        self._policy = policy
        self._filter = track_filter
        self._captures = captures
        self._witness = captures if isinstance(captures, TrackWitness) else None
        self._keeper = captures if isinstance(captures, NoteKeeper) else None
        self._ledger = ledger
        self._memory = memory
        self._closer = closer
        self._picture: PictureRules | None = None  # as for all cameras
        self._open: dict[TrackId, ShotSelection] = {}

    def describe(self, camera: Camera) -> None:
        """The camera has another name, group or token: captures from now on say so."""
        self._camera = camera

    def reconfigure(
        self,
        *,
        policy: PostingPolicy,
        track_filter: TrackFilter,
        passages: PassageRules | None,
        picture: PictureRules,
    ) -> None:
        """Post by other rules from now on. Filters are new at once; open tracks keep the policy that they began with.

        Args:
            policy: which shots are sent, and when.
            track_filter: which tracks and shots are worth sending.
            passages: when a track continues a captured passage; None = a track that broke is captured again.
            picture: what posted pictures are like.
        """
        self._policy, self._filter, self._picture = policy, track_filter, picture
        if passages is None:
            self._memory = None
        else:
            self._memory = self._memory if self._memory is not None else PassageMemory()
            self._memory.follow(passages)

    def follow(self, associations: Iterable[Association]) -> None:
        """Take the events of one frame, associated with their tracks."""
        for association in associations:
            event, selection = association.event, self._open.get(association.track_id)
            fits = self._filter.shot_fits(event)
            if selection is None:
                selection = self._open[association.track_id] = ShotSelection(self._policy, event, fits=fits)
                if self._keeper is not None:
                    selection.note = self._keeper.new_note()
            else:
                selection.add(event, fits=fits)
            if selection.note is not None:
                selection.note.add(event, is_best=selection.best is event)

    def post_due(self, now_s: float) -> None:
        """Send what is due while tracks go on. ``now_s``: the camera's time, seconds."""
        if self._policy.overall_only:
            return
        for track_id, selection in self._open.items():
            if not selection.tick(now_s) or self._filter.reject(selection) is not None:
                continue
            if not selection.sent and self._continued(selection) is not None:
                selection.suppress()
                continue
            due = selection.close_interval(now_s)
            if due is not None:
                shot, reason = due
                self._offer(track_id, selection, shot, reason=reason.value, chosen_as=reason)
                if self._keeper is not None and shot.sent:
                    self._keeper.shot_sent(self._camera.id, track_id, selection)

    def close(self, ended: Sequence[Track]) -> None:
        """Send what is left of tracks that are over, and book where they ended."""
        for track in ended:
            selection = self._open.pop(track.id, None)
            if selection is None:  # an event came past this object: the track's own best is all there is
                selection = ShotSelection(self._policy, track.best, fits=self._filter.shot_fits(track.best))
            self._close(track, selection)

    def _close(self, track: Track, selection: ShotSelection) -> None:
        reason = self._filter.reject(track)
        if not selection.sent and (selection.suppressed or reason is None):
            known = self._continued(selection)
            if known is not None and self._memory is not None:
                self._memory.extend(known, self._trace(selection))
            if known is not None or selection.suppressed:
                logger.debug("Camera %s: track %d is of a passage captured already", self._camera.name, track.id)
                self._book(track, selection, TrackFate.FILTERED, reason=FilterReason.DUPLICATE)
                return
        if reason is None:
            self._compare(selection)
            end = "" if track.end is None else track.end.value
            for shot, chosen_as in selection.final():
                self._offer(track.id, selection, shot, reason=end, chosen_as=chosen_as)
        if selection.sent:
            self._book(track, selection, TrackFate.CAPTURED)
            if self._memory is not None and track.end in BREAKS:
                self._memory.remember(self._trace(selection))
        elif selection.lost:
            self._book(track, selection, TrackFate.LOST)
        else:
            self._book(track, selection, TrackFate.FILTERED, reason=reason or FilterReason.NO_PICTURE)

    def _book(
        self, track: Track, selection: ShotSelection, fate: TrackFate, *, reason: FilterReason | None = None
    ) -> None:
        self._ledger.book_track(fate, reason=reason, was_sending=fate is TrackFate.CAPTURED)
        if self._witness is not None:
            self._witness.track_ended(track, fate, reason)
        if self._keeper is not None:
            self._keeper.passage_over(
                self._camera.id, track.id, selection, fate=fate, reason=reason, track_filter=self._filter
            )

    def _compare(self, selection: ShotSelection) -> None:
        """Look closer at the best shot and its rival, where there is one that is nearly as good."""
        pair = selection.rivals()
        if pair is None or self._closer is None:
            return
        judged = self._closer([shot.event for shot in pair])
        if judged is not None and judged[1].score > judged[0].score:
            selection.prefer_rival()

    def _offer(
        self, track_id: TrackId, selection: ShotSelection, shot: Shot, *, reason: str, chosen_as: PostReason
    ) -> None:
        event = shot.event
        self._look_at(selection, event)
        request = CaptureRequest(
            event=event,
            camera=self._camera,
            track_id=track_id,
            reason=reason,
            details=_details(selection, event, chosen_as),
            picture=self._picture,
        )
        try:
            self._captures.offer(request)
        except VigiaError as error:
            selection.lost += 1
            logger.error("Camera %s: the capture of track %d is lost: %s", self._camera.name, track_id, error)
        else:
            self._ledger.book_shot(first=not selection.sent)
            selection.mark_sent(shot)
            if selection.note is not None:
                selection.note.mark_sent(event)

    def _look_at(self, selection: ShotSelection, event: FaceEvent) -> None:
        """Note once what the person looks like, as long as there is a picture."""
        if self._memory is not None and selection.appearance is None and event.picture is not None:
            selection.appearance = describe(event.picture, event.box_xyxy)

    def _continued(self, selection: ShotSelection) -> PassageTrace | None:
        """The captured passage that goes on in this track, nothing of which was sent yet."""
        if self._memory is None:
            return None
        self._look_at(selection, selection.best)
        # One that was held back belongs to a captured passage too: what breaks twice goes on in it.
        others = (
            self._trace(other)
            for other in self._open.values()
            if (other.sent or other.suppressed) and other is not selection
        )
        return self._memory.match(self._trace(selection), others=others)

    @staticmethod
    def _trace(selection: ShotSelection) -> PassageTrace:
        first, last = selection.first_event, selection.last_event
        return PassageTrace(
            began_at_s=first.at_mono_s,
            first_at_s=first.at_mono_s,
            last_at_s=last.at_mono_s,
            first_box_xyxy=first.box_xyxy,
            last_box_xyxy=last.box_xyxy,
            velocity_px_s=selection.velocity_px_s,
            frame_size_wh=last.frame_size_wh,
            loop=last.loop,
            appearance=selection.appearance,
        )


def _details(selection: ShotSelection, event: FaceEvent, chosen_as: PostReason) -> dict[str, Any]:
    """What is told of a shot, for people and reports."""
    first_at_s, last_at_s = selection.first_event.at_mono_s, selection.last_event.at_mono_s
    return {
        "shot": chosen_as.value,
        "shots_before": selection.sent,
        "events": selection.events_count,
        "duration_s": round(last_at_s - first_at_s, 3),
        "moved_px": round(selection.moved_max_px, 1),
        "best_to_last_s": round(last_at_s - event.at_mono_s, 3),
    }
