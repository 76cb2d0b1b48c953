"""Clips for many cameras: the same few clips, each camera from another place, its ground truth moved along.

Packets are copied, not coded anew. A camera that starts at key frame ``g`` plays the rest of its clip, then one whole
clip; the files differ in length, so that cameras do not start over at the same moment either. What is not staggered:
all cameras' key frames come at the same moment, every two seconds, which is harder than life.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av

from vigia.domain.ground_truth import ClipTruth
from vigia.infrastructure.demo import DemoClip, load_truth

LAP_IDS = 1000
"""Passages of lap n of a clip are numbered from n times this."""


@dataclass(frozen=True, slots=True)
class SiteCamera:
    """A file that plays a camera, and who is seen in it."""

    path: Path
    truth: ClipTruth
    loop: bool = True


def site_cameras(clips: Sequence[DemoClip], *, count: int, folder: Path, frames: int | None = None) -> list[SiteCamera]:
    """``count`` cameras; camera i plays clip i modulo their number.

    Args:
        clips: at least one.
        count: how many cameras.
        folder: where files are written; one that is there is used again.
        frames: each file ends after so many and is not looped; None: the rest of the clip and one whole clip, looped.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sources = [_ClipSource(clip) for clip in clips[:count]]
    made: dict[tuple[int, int], SiteCamera] = {}
    cameras = []
    for number in range(count):
        lap, place = divmod(number, len(clips))
        source = sources[place]
        # Neighbours start two key frames apart, and who plays a clip again starts where nobody else does.
        start = source.keys[(2 * place + lap) % len(source.keys)]
        if (place, start) not in made:
            made[place, start] = source.camera(start=start, folder=folder, frames=frames)
        cameras.append(made[place, start])
    return cameras


def played(*, start: int, clip_frames: int, frames: int | None) -> list[tuple[int, int]]:
    """Which frames of a clip a file plays: (lap, number within the clip).

    Args:
        start: number of its first frame.
        clip_frames: length of the clip.
        frames: length of the file; None: the rest of the clip and, unless that is all of it, one whole clip.
    """
    if frames is None:
        frames = clip_frames if start == 0 else 2 * clip_frames - start
    return [divmod(start + number, clip_frames) for number in range(frames)]


def played_truth(truth: ClipTruth, places: Sequence[tuple[int, int]]) -> ClipTruth:
    """The ground truth of a file that plays ``places`` of a clip; each lap's passages are passages of their own."""
    frames = tuple(
        truth.frames[number]
        if lap == 0
        else tuple(replace(face, passage_id=face.passage_id + lap * LAP_IDS) for face in truth.frames[number])
        for lap, number in places
    )
    return replace(truth, frames=frames)


class _ClipSource:
    """One clip's packets and truth in memory. Owner: who makes it."""

    def __init__(self, clip: DemoClip) -> None:
        self._clip = clip
        self._truth = load_truth(clip.truth_path)
        with av.open(str(clip.path)) as container:
            coded = [packet for packet in container.demux(video=0) if packet.size]
            self._data = [(bytes(packet), packet.is_keyframe) for packet in coded]
        self.keys = [number for number, (_, is_key) in enumerate(self._data) if is_key]

    def camera(self, *, start: int, folder: Path, frames: int | None) -> SiteCamera:
        """A camera that starts at frame ``start``, a key frame; writes its file unless it is there."""
        places = played(start=start, clip_frames=len(self._data), frames=frames)
        truth = played_truth(self._truth, places)
        looped = frames is None
        if looped and start == 0:
            return SiteCamera(self._clip.path, truth)
        path = folder / f"{self._clip.path.parent.name}-{self._clip.path.stem}-{start}-{len(places)}.mp4"
        if not path.exists():
            self._write(path, places)
        return SiteCamera(path, truth, loop=looped)

    def _write(self, path: Path, places: Sequence[tuple[int, int]]) -> None:
        """Copy packets; the generator's clips hold no reordered pictures, so that times are simply counted."""
        part = path.with_suffix(".part")
        tick = 1 / Fraction(self._truth.fps).limit_denominator(1001)
        with av.open(str(self._clip.path)) as source, av.open(str(part), "w", format="mp4") as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for count, (_, number) in enumerate(places):
                data, is_key = self._data[number]
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, tick
                packet.pts = packet.dts = count
                packet.duration, packet.is_keyframe = 1, is_key
                target.mux(packet)
        with part.open("rb") as written:  # now, so that the disk is not busy with it while something is measured
            os.fsync(written.fileno())
        part.replace(path)
