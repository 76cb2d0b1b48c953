"""What is measured flat out, and how: decoding alone before and after each configuration, in every repeat.

The machine is noisy and absolute figures wander: a configuration's share is taken of the mean of its two neighbours in
time, and of the shares of several repeats the median counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from vigia.bench.context import BenchContext
from vigia.bench.flat_out import FlatResult, FlatStream, flat_streams
from vigia.bench.flat_workers import FlatWorkers
from vigia.bench.result import Spread, Table, percent
from vigia.infrastructure.config import Settings

HEIGHTS = (720, 1080)
CADENCES = (1, 2, 3, 5)
SMALL_FACE_PX = 60.0
FIRST_FRAME = 60
"""A key frame; people are on their way by then."""
SAMPLE_FRAMES = {720: 36, 1080: 24}
"""Of each stream: about 2 s of CPU a sample. Multiples of 6, so that k=2 and k=3 detect their exact share of frames."""
SAMPLE_FRAMES_QUICK = {720: 18, 1080: 12}
PROMISED_FRAMES = {720: 108, 1080: 78}
PROMISED_FRAMES_QUICK = {720: 30, 1080: 24}
"""Longer, and more often, where something was promised: a share is decided by a percent or two."""


@dataclass(frozen=True, slots=True)
class FlatCase:
    """One configuration."""

    height: int
    """Lines of the picture."""
    model: str
    k: int
    min_face_px: float
    sharp: bool = False
    """With a sharper look now and then: they are the first to go when there is no time, and flat out there is none."""

    @property
    def label(self) -> str:
        """Names it in the data."""
        return f"{self.height}p {self.model} k={self.k} {self.face}"

    @property
    def face(self) -> str:
        """What is looked for, as the table says it."""
        return f"{self.min_face_px:.0f} px{', sharp looks' if self.sharp else ''}"


@dataclass(slots=True)
class CaseSamples:
    """What was measured of one configuration."""

    case: FlatCase
    decode_fps: list[float] = field(default_factory=list)
    fps: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    last: FlatResult | None = None

    def add(self, result: FlatResult, *, decode_fps: float) -> None:
        """One more sample; ``decode_fps`` is the baseline beside it."""
        self.decode_fps.append(decode_fps)
        self.fps.append(result.fps)
        self.shares.append(result.fps / decode_fps)
        self.last = result

    @property
    def share(self) -> Spread:
        """Of decode-only."""
        return Spread.of(self.shares)

    def as_json(self) -> dict[str, object]:
        """Every sample."""
        return {
            "height": self.case.height,
            "model": self.case.model,
            "k": self.case.k,
            "min_face_px": self.case.min_face_px,
            "sharp_looks": self.case.sharp,
            "decode_fps": Spread.of(self.decode_fps).as_json(),
            "fps": Spread.of(self.fps).as_json(),
            "share": self.share.as_json(),
            "last": None if self.last is None else self.last.as_json(),
        }


def sample_streams(context: BenchContext, height: int, *, promised: bool = False) -> tuple[FlatStream, ...]:
    """Eight streams of this height, as long as a sample takes."""
    if promised:
        frames = PROMISED_FRAMES_QUICK if context.quick else PROMISED_FRAMES
    else:
        frames = SAMPLE_FRAMES_QUICK if context.quick else SAMPLE_FRAMES
    return flat_streams(context.clips(height), frames=frames[height], first=FIRST_FRAME)


def case_settings(
    context: BenchContext, *, model_setting: str, k: int, min_face_px: float, sharp: bool = False
) -> Settings:
    """The product's defaults but for the model, a fixed cadence, no sharp looks, and the gate, which is open."""
    return context.settings(
        detector__model=model_setting,
        detector__cadence_k=k,
        detector__min_face_px=min_face_px,
        detector__motion_gate="false",
        detector__sharp_look="auto" if sharp else "off",
    )


def measure_cases(
    workers: FlatWorkers, context: BenchContext, cases: Sequence[FlatCase], *, repeats: int, promised: bool = False
) -> list[CaseSamples]:
    """Measure all of them, ``repeats`` times over, in longer stretches where something was ``promised``."""
    models = context.models()
    samples = [CaseSamples(case) for case in cases]
    for height in sorted({case.height for case in cases}):
        streams = sample_streams(context, height, promised=promised)
        workers.measure(streams, None)  # reads the clips, and warms up
        for _ in range(repeats):
            before = workers.measure(streams, None).fps
            for one in (one for one in samples if one.case.height == height):
                case = one.case
                setting = models[case.model]
                settings = case_settings(
                    context, model_setting=setting, k=case.k, min_face_px=case.min_face_px, sharp=case.sharp
                )
                result = workers.measure(streams, settings)
                after = workers.measure(streams, None).fps
                one.add(result, decode_fps=(before + after) / 2.0)
                before = after
    return samples


def cases_table(title: str, samples: Sequence[CaseSamples]) -> Table:
    """One row a configuration."""
    return Table(
        title,
        ("stream", "model", "face", "k", "decode fps", "vigia fps", "share", "from", "to", "cores", "faces", "found"),
        tuple(_row(one) for one in samples),
    )


def found_text(result: FlatResult) -> str:
    """Passages found of those to find, such as ``19/19``; a dash when the stretch was too short to hold any."""
    passages = result.passages
    return "-" if passages is None or not passages.truth else f"{passages.delivered}/{passages.truth}"


def _row(one: CaseSamples) -> tuple[str, ...]:
    last, share = one.last, one.share
    return (
        f"{one.case.height}p",
        one.case.model,
        one.case.face,
        str(one.case.k),
        f"{Spread.of(one.decode_fps).median:.0f}",
        f"{Spread.of(one.fps).median:.0f}",
        percent(share.median),
        percent(share.low),
        percent(share.high),
        "-" if last is None else f"{last.cores:.2f}",
        "-" if last is None else str(last.faces),
        "-" if last is None else found_text(last),
    )
