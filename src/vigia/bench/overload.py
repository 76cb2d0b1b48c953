"""More cameras than the machine can hold, half of which leave: what is shed, whether it is told, and recovery."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from vigia.application.camera_status import CameraStatus, LoadReason, LoadState
from vigia.application.orchestrator import RunStatus
from vigia.application.use_cases.stream_camera import CameraState
from vigia.bench.context import BenchContext
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Table, Verdict, percent, thousandths
from vigia.bench.site import PacedFigures, Site, SiteRun, open_site, site_model
from vigia.bench.site_clips import SiteCamera, site_cameras
from vigia.domain.camera import CameraId
from vigia.domain.ledger import FrameFate
from vigia.infrastructure.demo import DemoClip

CAMERAS = 24
CAMERAS_MORE = 40
"""Where 24 are no overload."""
FPS = 30
SETTLED_S = 4.0
"""The overload is looked at from then on: decoders have started, queues have filled."""
AGE_LIMIT_S = 0.1
FAIR_MIN = 0.8
MEMORY_GROWTH_MAX = 0.10
RECOVERY_LIMIT_S = 10.0
STEP_MIN_S = 0.2
"""The last sample may come right after the one before: no rate is made of that."""
CALM_SAMPLES = 4
"""So many in a row, two seconds, must be calm."""


@dataclass(frozen=True, slots=True)
class CameraSample:
    """One camera at one moment."""

    frames: int
    """Processed so far."""
    skipped: int
    in_flight: int
    """Packets received and not yet at their end."""
    state: LoadState
    reason: LoadReason
    k: int
    ended: bool
    """Its file was played to its end."""

    @classmethod
    def of(cls, status: CameraStatus) -> "CameraSample":
        """From a status."""
        in_flight = max(0, status.page.received - status.page.frames_booked)
        return cls(
            frames=status.page.frames_decoded,
            skipped=status.page.frames[FrameFate.SKIPPED],
            in_flight=in_flight,
            state=status.load.state,
            reason=status.load.reason,
            k=status.load.k,
            ended=status.source is CameraState.ENDED,
        )


@dataclass(frozen=True, slots=True)
class OverloadSample:
    """Everything at one moment."""

    at_s: float
    rss_bytes: int
    cameras: Mapping[CameraId, CameraSample]

    @property
    def frames(self) -> int:
        """Processed so far."""
        return sum(camera.frames for camera in self.cameras.values())

    @property
    def skipped(self) -> int:
        """Skipped so far."""
        return sum(camera.skipped for camera in self.cameras.values())

    @property
    def oldest_age_s(self) -> float:
        """How long the oldest packet has waited: each camera delivers 30 a second, the longest queue tells."""
        return max((camera.in_flight for camera in self.cameras.values()), default=0) / FPS

    def count(self, state: LoadState) -> int:
        """Running cameras in a state."""
        return sum(1 for camera in self.cameras.values() if camera.state is state and not camera.ended)

    @property
    def ended(self) -> int:
        """Cameras that have left."""
        return sum(1 for camera in self.cameras.values() if camera.ended)

    @property
    def calm(self) -> bool:
        """No running camera is reduced or skips, and the oldest packet is young."""
        running = [camera for camera in self.cameras.values() if not camera.ended]
        return self.oldest_age_s <= AGE_LIMIT_S and all(camera.state is LoadState.FULL for camera in running)


@dataclass(frozen=True, slots=True)
class OverloadFindings:
    """What a time line says."""

    skipped: int
    """During the overload."""
    cameras_skipped: int
    cameras_reduced: int
    unseen: tuple[CameraId, ...]
    """Cameras that skipped during the overload and never said so."""
    fairness: float
    """Fewest frames of a camera / mean of all, during the overload; 1 is fair."""
    age_max_s: float
    memory_growth: float
    """From the second to the last quarter of the overload: 0.01 is one per cent."""
    left_at_s: float | None
    """When the last leaver had left."""
    recovery_s: float | None
    """From then until calm, for good; None: it was not reached."""

    @property
    def overloaded(self) -> bool:
        """Whether anything had to give way."""
        return self.cameras_skipped > 0 or self.cameras_reduced > 0


def judge_overload(samples: Sequence[OverloadSample], *, leavers: int) -> OverloadFindings:
    """Read a time line.

    Args:
        samples: by time, at least two after ``SETTLED_S`` and before the first leaver left.
        leavers: how many cameras leave.

    Raises:
        ValueError: the overload is not in it.
    """
    window = [one for one in samples if one.at_s >= SETTLED_S and one.ended == 0]
    if len(window) < 2:
        raise ValueError("the time line holds no overload")
    first, last = window[0], window[-1]
    skipped = {name: last.cameras[name].skipped - first.cameras[name].skipped for name in last.cameras}
    told = {
        name
        for one in window
        for name, camera in one.cameras.items()
        if camera.state is LoadState.SKIPPING and camera.reason is not LoadReason.NONE
    }
    reduced = {
        name for one in window for name, camera in one.cameras.items() if camera.state is not LoadState.FULL
    } - told
    left_at_s = next((one.at_s for one in samples if one.ended >= leavers), None)
    return OverloadFindings(
        skipped=sum(skipped.values()),
        cameras_skipped=sum(1 for count in skipped.values() if count),
        cameras_reduced=len(reduced),
        unseen=tuple(sorted(name for name, count in skipped.items() if count and name not in told)),
        fairness=fairness([last.cameras[name].frames - first.cameras[name].frames for name in last.cameras]),
        age_max_s=max(one.oldest_age_s for one in window),
        memory_growth=_memory_growth(window),
        left_at_s=left_at_s,
        recovery_s=None if left_at_s is None else recovery_s(samples, left_at_s=left_at_s),
    )


def fairness(frames: Sequence[int]) -> float:
    """The least of them divided by their mean, in [0, 1]; 1 where there is nothing to share."""
    mean = statistics.fmean(frames) if frames else 0.0
    return min(frames) / mean if mean else 1.0


def recovery_s(samples: Sequence[OverloadSample], *, left_at_s: float) -> float | None:
    """From ``left_at_s`` to the first of several calm samples in a row after which nothing is skipped; None: never."""
    after = [one for one in samples if one.at_s >= left_at_s]
    for number in range(len(after) - CALM_SAMPLES + 1):
        calm = after[number : number + CALM_SAMPLES]
        if all(one.calm for one in calm) and after[-1].skipped == calm[0].skipped:
            return calm[0].at_s - left_at_s
    return None


def _memory_growth(window: Sequence[OverloadSample]) -> float:
    quarter = max(1, len(window) // 4)
    before = statistics.fmean(one.rss_bytes for one in window[quarter : 2 * quarter] or window[:1])
    return statistics.fmean(one.rss_bytes for one in window[-quarter:]) / before - 1.0


@dataclass(frozen=True, slots=True)
class _Overload:
    """One run and what it showed."""

    run: SiteRun
    samples: tuple[OverloadSample, ...]
    findings: OverloadFindings


def run(context: BenchContext) -> BenchResult:
    """Run 24 cameras, and 40 where 24 are no overload."""
    clips, model = context.clips(720), site_model(context)
    with open_site(context) as site:
        done = _overload(site, clips, cameras=CAMERAS, model=model)
        notes = [_about(context)]
        if not done.findings.overloaded:
            notes.append(f"{CAMERAS} cameras did not overload this machine; the figures are of {CAMERAS_MORE}.")
            done = _overload(site, clips, cameras=CAMERAS_MORE, model=model)
    findings, figures = done.findings, PacedFigures.of(done.run)
    if not findings.overloaded:
        notes.append(f"{CAMERAS_MORE} cameras did not overload it either: nothing was shed, and there is no verdict.")
    verdicts: tuple[Verdict, ...] = ()
    if context.model("yunet-s") is None:
        notes.append(f"Measured with {model}; no verdict, it is promised for yunet-s, whose weights are not here.")
    elif findings.overloaded:
        verdicts = (_verdict(done, figures),)
    return BenchResult(
        name="overload",
        title=f"{figures.cameras} x 720p30, half of which leave",
        tables=(_findings_table(done, figures), _time_line(done.samples)),
        chart=_chart(done.samples),
        verdicts=verdicts,
        data={
            "figures": asdict(figures),
            "findings": asdict(findings),
            "skip_reasons": dict(done.run.facts.ledger.skip_reasons),
            "time_line": [_as_json(before, after) for before, after in _pairs(done.samples)],
        },
        notes=tuple(notes),
    )


def _about(context: BenchContext) -> str:
    return (
        f"Half of the cameras end after {_stay_s(context):.0f} s. The overload is looked at from {SETTLED_S:.0f} s on"
        " until the first of them has ended. Fair is the fewest frames of a camera to the mean of all. Memory: mean of"
        " the second quarter of the overload to that of the last. Recovered: two seconds in a row in which every"
        " running camera is looked at in full and no packet waits for more than 100 ms, and nothing skipped afterwards."
        " The oldest packet's age is the longest queue at 30 packets a second, sampled twice a second."
    )


def _stay_s(context: BenchContext) -> float:
    return context.pick(full=15.0, quick=8.0)


def _overload(site: Site, clips: Sequence[DemoClip], *, cameras: int, model: str) -> _Overload:
    folder, stay_s = site.context.out / "clips", _stay_s(site.context)
    staying = site_cameras(clips, count=cameras, folder=folder)
    leaving = site_cameras(clips, count=cameras, folder=folder, frames=round(stay_s * FPS))
    listed: list[SiteCamera] = [
        leaver if number % 4 in {1, 2} else stayer  # one of two in each shard, whichever way cameras are dealt out
        for number, (stayer, leaver) in enumerate(zip(staying, leaving, strict=True))
    ]
    family = site.family()
    samples: list[OverloadSample] = []

    def sample(status: RunStatus) -> None:
        states = {camera.id: CameraSample.of(camera) for camera in status.details}
        samples.append(OverloadSample(status.elapsed_s, family.rss_bytes(), states))

    done = site.run(
        listed,
        duration_s=stay_s + site.context.pick(full=13.0, quick=9.0),
        on_status=sample,
        detector__model=model,
        detector__cadence_k="auto",
        detector__cadence_k_max=8,
    )
    return _Overload(done, tuple(samples), judge_overload(samples, leavers=sum(not one.loop for one in listed)))


def _verdict(done: _Overload, figures: PacedFigures) -> Verdict:
    findings = done.findings
    held = (
        not findings.unseen
        and findings.fairness >= FAIR_MIN
        and figures.balanced
        and findings.memory_growth <= MEMORY_GROWTH_MAX
        and findings.recovery_s is not None
        and findings.recovery_s <= RECOVERY_LIMIT_S
    )
    return Verdict(
        "overload",
        f"{figures.cameras} cameras: {_recovery(findings)}, fair {findings.fairness:.2f},"
        f" memory {findings.memory_growth * 100.0:+.1f} %,"
        f" ledger {'balanced' if figures.balanced else 'NOT balanced'},"
        f" {'all told' if not findings.unseen else f'{len(findings.unseen)} cameras skipped untold'}",
        held,
    )


def _recovery(findings: OverloadFindings) -> str:
    return "did NOT recover" if findings.recovery_s is None else f"recovered in {findings.recovery_s:.1f} s"


def _findings_table(done: _Overload, figures: PacedFigures) -> Table:
    findings, ledger = done.findings, done.run.facts.ledger
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(ledger.skip_reasons.items())) or "none"
    rows = (
        ("skipped during the overload", str(findings.skipped)),
        ("cameras that skipped", str(findings.cameras_skipped)),
        ("cameras that were only reduced", str(findings.cameras_reduced)),
        ("cameras that skipped and did not say so", str(len(findings.unseen))),
        ("fewest frames of a camera to the mean", percent(findings.fairness)),
        ("oldest packet during the overload", thousandths(findings.age_max_s)),
        ("memory, last to second quarter", f"{findings.memory_growth * 100.0:+.1f} %"),
        ("after half have left", _recovery(findings)),
        ("skipped in the whole run, by reason", reasons),
        ("ledger", "balanced" if figures.balanced else "NOT balanced"),
        ("largest k", str(figures.k)),
        ("passages delivered", percent(figures.passages_share)),
    )
    return Table(f"{figures.cameras} cameras", ("", "value"), rows)


def _pairs(samples: Sequence[OverloadSample]) -> list[tuple[OverloadSample, OverloadSample]]:
    return [(before, after) for before, after in pairwise(samples) if after.at_s - before.at_s >= STEP_MIN_S]


def _per_s(before: OverloadSample, after: OverloadSample) -> tuple[float, float]:
    """Frames processed and packets skipped a second in between."""
    passed_s = after.at_s - before.at_s
    return (after.frames - before.frames) / passed_s, (after.skipped - before.skipped) / passed_s


def _as_json(before: OverloadSample, after: OverloadSample) -> dict[str, Any]:
    fps, skipped_per_s = _per_s(before, after)
    return {
        "at_s": after.at_s,
        "fps": fps,
        "skipped_per_s": skipped_per_s,
        "full": after.count(LoadState.FULL),
        "reduced": after.count(LoadState.REDUCED),
        "skipping": after.count(LoadState.SKIPPING),
        "ended": after.ended,
        "k_max": max((camera.k for camera in after.cameras.values()), default=0),
        "oldest_age_s": after.oldest_age_s,
        "rss_bytes": after.rss_bytes,
        "not_full": {
            name: f"{camera.state.value}: {camera.reason.value}"
            for name, camera in after.cameras.items()
            if camera.state is not LoadState.FULL
        },
    }


def _time_line(samples: Sequence[OverloadSample]) -> Table:
    rows = []
    for before, after in _pairs(samples[::4]):
        figures = _as_json(before, after)
        rows.append(
            (
                f"{after.at_s:.1f} s",
                f"{figures['fps']:.0f}",
                f"{figures['skipped_per_s']:.0f}",
                f"{figures['full']} / {figures['reduced']} / {figures['skipping']} / {figures['ended']}",
                str(figures["k_max"]),
                thousandths(after.oldest_age_s),
                f"{after.rss_bytes / 1e6:.0f} MB",
            )
        )
    columns = ("at", "fps", "skipped/s", "full / reduced / skipping / ended", "k", "oldest", "RSS")
    return Table("Every two seconds", columns, tuple(rows))


def _chart(samples: Sequence[OverloadSample]) -> Chart:
    pairs = _pairs(samples)
    rates = [_per_s(before, after) for before, after in pairs]
    return Chart(
        title="Too many cameras, half of which leave",
        kind=ChartKind.LINES,
        y_label="frames a second; 10 ms",
        x_label="seconds",
        positions=tuple(after.at_s for _, after in pairs),
        series=(
            Series("processed a second", tuple(fps for fps, _ in rates)),
            Series("skipped a second", tuple(skipped for _, skipped in rates)),
            Series("oldest packet, 10 ms", tuple(after.oldest_age_s * 1e2 for _, after in pairs)),
        ),
    )
