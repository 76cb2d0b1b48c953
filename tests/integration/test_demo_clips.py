"""Demo clips as files: what a player and a detector get, what the cache keeps, and what an interruption leaves."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from multiprocessing import active_children
from pathlib import Path

import av
import numpy as np
import pytest

from vigia.application.errors import ApplicationError, ConfigurationError
from vigia.infrastructure.demo import DemoClip, DemoSpec, generate_clips, load_truth, plan_clip
from vigia.infrastructure.demo.planes import Plane8
from vigia.infrastructure.demo.rendering import ClipRenderer

TINY = replace(DemoSpec.tiny(), light_drift=0.0)
"""In even light, every change of the picture is a person."""
FRAMES = 60
SHORT = DemoSpec(
    count=4, width=320, height=180, fps=15, duration_s=2.0, margin_s=0.1, passages=(1, 1), crossings=0,
    face_px=(40.0, 50.0),
)  # fmt: skip


@dataclass
class Progress:
    """Counts what it is told; ``on_advance`` runs at each report."""

    tasks: list[tuple[str, int]] = field(default_factory=list)
    done: int = 0

    @contextmanager
    def task(self, label: str, total: int) -> Iterator["Progress"]:
        self.tasks.append((label, total))
        yield self

    def advance(self, amount: int = 1) -> None:
        self.done += amount


class Interrupted(Exception):
    pass


class InterruptingProgress(Progress):
    def advance(self, amount: int = 1) -> None:
        super().advance(amount)
        raise Interrupted


class KillingProgress(Progress):
    """Kills a worker as soon as the first frames are drawn, as the kernel does when memory runs out."""

    def advance(self, amount: int = 1) -> None:
        super().advance(amount)
        for child in active_children()[:1]:
            assert child.pid is not None
            os.kill(child.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def clips(cache: Path) -> list[DemoClip]:
    progress = Progress()
    made = generate_clips(TINY, cache, progress)
    assert [total for _, total in progress.tasks] == [2 * FRAMES]
    assert progress.done == 2 * FRAMES
    return made


def lumas(path: Path) -> list[Plane8]:
    with av.open(str(path)) as container:
        return [
            np.frombuffer(bytes(f.planes[0]), np.uint8).reshape(f.height, -1)[:, : f.width]
            for f in container.decode(video=0)
        ]


def digests(clips: list[DemoClip]) -> list[str]:
    return [sha256(p.read_bytes()).hexdigest() for clip in clips for p in (clip.path, clip.truth_path)]


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def expected_names(spec: DemoSpec) -> set[str]:
    return {f"clip-{i}.{end}" for i in range(spec.count) for end in ("mp4", "truth.json")}


def test_names_and_places(clips: list[DemoClip], cache: Path) -> None:
    assert [c.path.name for c in clips] == ["clip-0.mp4", "clip-1.mp4"]
    assert [c.truth_path.name for c in clips] == ["clip-0.truth.json", "clip-1.truth.json"]
    assert [c.camera_name for c in clips] == ["Entrada", "Recepção"]
    assert names_in(cache / TINY.key) == expected_names(TINY)


def test_the_video_is_coded_like_a_camera_does_it(clips: list[DemoClip]) -> None:
    for clip in clips:
        with av.open(str(clip.path)) as container:
            stream = container.streams.video[0]
            context = stream.codec_context
            assert (context.name, context.profile, context.pix_fmt) == ("h264", "Main", "yuv420p")
            assert (context.width, context.height) == (640, 360)
            assert float(stream.average_rate or 0) == 15.0
            packets = [packet for packet in container.demux(stream) if packet.size]
        assert len(packets) == FRAMES
        assert [n for n, packet in enumerate(packets) if packet.is_keyframe] == [0, 30]
        assert all(packet.pts == packet.dts for packet in packets)  # no B-frames: order is never changed
        assert 8 * sum(packet.size for packet in packets) / 4.0 < 1.5 * TINY.rate_bps


def test_the_truth_file_holds_the_plan(clips: list[DemoClip]) -> None:
    for index, clip in enumerate(clips):
        truth = load_truth(clip.truth_path)
        assert truth == plan_clip(TINY, index).truth()
        assert (truth.width, truth.height, truth.fps, len(truth.frames)) == (640, 360, 15.0, FRAMES)
        assert b"\n" not in clip.truth_path.read_bytes()


def test_people_are_where_the_truth_says_and_nowhere_else(clips: list[DemoClip]) -> None:
    judged = 0
    for clip in clips:
        pictures, truth = lumas(clip.path), load_truth(clip.truth_path)
        empty = pictures[0].astype(int)
        for picture, faces in zip(pictures, truth.frames, strict=True):
            change = np.abs(picture - empty)
            if not faces:
                # Bodies may just be coming in, or going out, at the sides.
                assert float(change[:, 240:400].mean()) < 3.0
            for face in faces:
                if face.visible < 0.9:
                    continue
                left, top, right, bottom = (round(v) for v in face.box_xyxy)
                judged += 1
                assert float(change[top:bottom, left:right].mean()) > 12.0
    assert judged > 40


def test_complete_clips_are_used_again(clips: list[DemoClip], cache: Path) -> None:
    before = [(c.path.stat().st_mtime_ns, c.path.stat().st_ino) for c in clips]
    progress = Progress()
    assert generate_clips(TINY, cache, progress) == clips
    assert progress.tasks == []
    assert [(c.path.stat().st_mtime_ns, c.path.stat().st_ino) for c in clips] == before


def test_only_what_is_missing_is_made_and_comes_out_the_same(clips: list[DemoClip], cache: Path) -> None:
    before = digests(clips)
    untouched = clips[0].path.stat().st_mtime_ns
    clips[1].path.unlink()
    progress = Progress()
    generate_clips(TINY, cache, progress)
    assert progress.done == FRAMES
    assert digests(clips) == before
    assert clips[0].path.stat().st_mtime_ns == untouched


def test_processes_make_the_same_clips(tmp_path: Path) -> None:
    spec, progress = replace(SHORT, count=3), Progress()
    alone = generate_clips(spec, tmp_path / "alone")
    together = generate_clips(spec, tmp_path / "together", progress, workers=2)
    assert digests(together) == digests(alone)
    assert progress.done == 3 * 30
    assert names_in(tmp_path / "together" / spec.key) == expected_names(spec)


def test_an_interruption_leaves_nothing_half_done(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        generate_clips(SHORT, tmp_path, InterruptingProgress())
    assert names_in(tmp_path / SHORT.key) == set()


def test_an_interruption_stops_the_processes(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        generate_clips(replace(SHORT, count=8, duration_s=8.0), tmp_path, InterruptingProgress(), workers=2)
    assert active_children() == []
    left = names_in(tmp_path / replace(SHORT, duration_s=8.0).key)
    assert not any(".part." in name for name in left)
    assert len(left) < 16


def test_a_killed_process_is_an_error_and_leaves_nothing_that_stays(tmp_path: Path) -> None:
    spec = replace(SHORT, duration_s=8.0)
    with pytest.raises(ApplicationError, match="killed"):
        generate_clips(spec, tmp_path, KillingProgress(), workers=2)
    generate_clips(spec, tmp_path)
    assert names_in(tmp_path / spec.key) == expected_names(spec)


PROGRAM = """
import sys
from contextlib import contextmanager
from pathlib import Path
from vigia.infrastructure.demo import DemoSpec, generate_clips

class Progress:
    @contextmanager
    def task(self, label, total):
        yield self
    def advance(self, amount=1):
        print("advanced", flush=True)

generate_clips(DemoSpec(count=8, width=320, height=180, fps=15, duration_s=20.0), Path(sys.argv[1]), Progress(),
               workers=2)
print("complete")
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_program_that_is_ended_leaves_no_process_and_no_half_clip(tmp_path: Path, ending: signal.Signals) -> None:
    """Started with ``python -m``, as vigia is: the workers must not run its main module again."""
    package = tmp_path / "program"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(PROGRAM)
    source = str(Path(__file__).resolve().parents[2] / "src")
    with subprocess.Popen(
        [sys.executable, "-m", "program", str(tmp_path / "cache")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": source},
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "advanced\n"
        if ending == signal.SIGKILL:
            process.kill()
        else:
            os.killpg(process.pid, ending)  # as Ctrl+C does: everybody gets it
        # The pipes end when the last process that holds them has ended, workers included.
        output, errors = process.communicate(timeout=60)
    assert "complete" not in output
    assert errors.count("Traceback") <= 1
    folder = next((tmp_path / "cache").iterdir())
    if ending == signal.SIGINT:
        assert not any(name.startswith(".") for name in names_in(folder))
    for path in folder.glob("clip-*.mp4"):
        assert len(lumas(path)) == len(load_truth(path.with_suffix(".truth.json")).frames) == 300


def test_a_dead_process_leftovers_are_removed_and_a_living_ones_are_kept(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        folder = tmp_path / SHORT.key
        folder.mkdir()
        for pid in (living.pid, dead.pid):
            (folder / f".clip-0.{pid}.part.mp4").write_bytes(b"half")
        generate_clips(SHORT, tmp_path)
        assert names_in(folder) == {*expected_names(SHORT), f".clip-0.{living.pid}.part.mp4"}
        living.communicate(b"\n")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(ConfigurationError, match=str(in_the_way)):
        generate_clips(SHORT, in_the_way)
    # A folder where a clip should go: found out only when the finished clip is put in place.
    blocked = tmp_path / SHORT.key / "clip-0.mp4"
    blocked.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="demo clip 0"):
        generate_clips(SHORT, tmp_path)
    assert names_in(blocked.parent) <= {"clip-0.mp4", "clip-0.truth.json"}


@pytest.mark.parametrize(
    "text", ["", "{}", '{"version":2}', '{"version":1,"width":1,"height":1,"fps":1,"frames":[[[1]]]}']
)
def test_a_damaged_truth_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clip-0.truth.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"clip-0\.truth\.json"):
        load_truth(path)
    with pytest.raises(ConfigurationError, match=r"other\.json"):
        load_truth(tmp_path / "other.json")


def test_a_poster_hangs_on_the_wall_and_is_no_passage() -> None:
    spec = replace(SHORT, passages=(0, 0), noise=0.0, light_drift=0.0)
    plain, with_poster = (
        next(ClipRenderer(plan_clip(replace(spec, posters=posters), 0)).frames())[:180].copy() for posters in (0, 1)
    )
    plan = plan_clip(replace(spec, posters=1), 0)
    assert not any(plan.truth().frames)
    poster = plan.posters[0]
    changed = np.argwhere(plain != with_poster)
    assert np.abs(changed.mean(axis=0) - (poster.y, poster.x)).max() < poster.face_width
    assert len(changed) > poster.face_width**2


def test_the_light_goes_on_from_the_last_frame_to_the_first() -> None:
    spec = replace(SHORT, passages=(0, 0), noise=0.0, light_drift=0.2)
    means = [float(frame[:180].mean()) for frame in ClipRenderer(plan_clip(spec, 0)).frames()]
    assert max(means) - min(means) > 20.0
    steps = np.abs(np.diff(means))
    assert abs(means[-1] - means[0]) < 1.2 * steps.max()
    assert steps.max() < 0.15 * (max(means) - min(means))


@pytest.mark.parametrize("index", range(9))
def test_every_scene_can_be_drawn_with_noise_and_stays_in_range(index: int) -> None:
    spec = replace(SHORT, noise=3.0, light_drift=0.3)
    picture = next(ClipRenderer(plan_clip(spec, index)).frames())
    luma, chroma = picture[:180], picture[180:]
    assert 8 <= int(luma.min()) < int(luma.max()) <= 243
    assert 16 <= int(chroma.min()) <= int(chroma.max()) <= 240
    assert float(luma.std()) > 5.0
