"""A soak with faults: eight RTSP cameras for half an hour, one fault after the other, and what is left behind.

    python benchmarks/camera_faults.py --minutes 30 --out benchmarks/DATE

Needs the RTSP server that the tests use (GStreamer's; ``make packages``). Two servers with four cameras each: the first
stays well and must lose nothing; the second is killed, frozen, given another password, other codecs and sizes, in turn.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests" / "support")]

from rtsp import Mount, RtspSite, make_feed, pictures_of  # noqa: E402 - the path comes first
from running import SECRET, Site, StandIn  # noqa: E402
from vigia.infrastructure.clock import SystemClock  # noqa: E402
from vigia.infrastructure.demo import DemoSpec, generate_clips  # noqa: E402
from vigia.infrastructure.metrics.status_file import read_status  # noqa: E402

SEED = 20261127
WELL, ROUGH = 4, 4
SAMPLE_S = 5.0
GROWTH_FROM_S = 300.0
"""The first five minutes fill caches and pools."""


@dataclass
class Sample:
    """The program at one moment."""

    at_s: float
    rss_bytes: int
    threads: int
    fds: int


def main() -> int:
    """Run; return 0 when every promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        facts = soak(Path(name), arguments.minutes * 60.0)
    text = json.dumps(facts, indent=1)
    sys.stdout.write(text + "\n")
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "camera_faults.json").write_text(text + "\n", encoding="utf-8")
    return 0 if facts["kept"] else 1


def soak(root: Path, duration_s: float) -> dict[str, Any]:
    """Set the sites up, run vigia, do harm, and add up."""
    rng = random.Random(SEED)  # noqa: S311 - the same faults every time
    for name in ("calm", "rough", "site"):
        (root / name).mkdir()
    clip = generate_clips(DemoSpec.tiny(count=1), root / "clips")[0]
    feed = make_feed(root / "cam.feed", pictures=pictures_of(clip.path), fps=15)
    others = {
        "h265": make_feed(root / "h265.feed", codec="h265"),
        "mjpeg": make_feed(root / "mjpeg.feed", codec="mjpeg"),
        "large": make_feed(root / "large.feed", size_wh=(640, 360)),
    }
    names = [f"cam{number}" for number in range(WELL + ROUGH)]
    listed = [{"id": n + 1, "name": name, "group": 1, "token": f"{n + 1:032x}"} for n, name in enumerate(names)]
    stand_in = StandIn(root / "findface", listed)
    site = Site(root / "site", stand_in)
    calm = RtspSite([Mount(name, feed) for name in names[:WELL]], root / "calm")
    rough = RtspSite([Mount(name, feed) for name in names[WELL:]], root / "rough", account=("admin", SECRET))
    with calm, rough:
        stand_in.start()
        configure(site, names, calm, rough)
        program = site.start("run", "--json")
        try:
            return watch(site, program, rough, feed, others, duration_s=duration_s, rng=rng)
        finally:
            program.process.kill()
            program.process.wait(10)
            stand_in.stop()


def configure(site: Site, names: list[str], calm: RtspSite, rough: RtspSite) -> None:
    """Eight cameras in the configuration."""
    site.configure(
        language="en",
        detector={"min_face_px": 60, "input_width": 160, "cadence_k": 5},
        tracks={"filter_min_size": 20, "filter_min_quality": 0.0, "movement_min_percent": 0.0},
        source={"read_timeout_s": 3.0, "open_timeout_s": 5.0, "auth_retry_s": 5.0},
        web={"gallery_mb": 0},  # what pages remember has a bound of its own, and fills for some ten minutes
        cameras=[
            {
                "id": name,
                "url": (calm if number < WELL else rough).url(name),
                "findface_id": number + 1,
                "token": f"{number + 1:032x}",
            }
            for number, name in enumerate(names)
        ],
    )


def watch(
    site: Site,
    program: Any,
    rough: RtspSite,
    feed: Path,
    others: dict[str, Path],
    *,
    duration_s: float,
    rng: random.Random,
) -> dict[str, Any]:
    """Do harm for ``duration_s``, sampling; then stop the program and hold it against what was promised."""
    clock, process = SystemClock(), psutil.Process(program.process.pid)
    status = site.root / "data" / "status.json"
    began_s = clock.mono_s()
    samples: list[Sample] = []
    faults: dict[str, int] = {}
    next_fault_s = 20.0
    page: dict[str, Any] = {}
    while (passed_s := clock.mono_s() - began_s) < duration_s:
        page = read_status(status, clock=clock) or page
        with process.oneshot():
            samples.append(Sample(passed_s, process.memory_info().rss, process.num_threads(), process.num_fds()))
        if passed_s >= next_fault_s and passed_s < duration_s - 30.0:
            fault = harm(rough, feed, others, rng)
            faults[fault] = faults.get(fault, 0) + 1
            next_fault_s = clock.mono_s() - began_s + rng.uniform(5.0, 15.0)
        time.sleep(SAMPLE_S)  # noqa: TID251 - sampling another process: there is no event to wait on
    page = read_status(status, clock=clock) or page
    program.process.terminate()
    code = program.end()
    report = json.loads(program.stdout().splitlines()[-1])
    return judged(samples, faults, page, report, code=code, log=program.stderr())


def harm(rough: RtspSite, feed: Path, others: dict[str, Path], rng: random.Random) -> str:
    """One fault at the rough site; its cameras are well again, or on their way, when this returns."""
    mounts = [mount.name for mount in rough.mounts]
    fault = rng.choice(["kill", "freeze", "password", "gone", "h265", "mjpeg", "large", "hold"])
    if fault == "kill":
        rough.kill()
        time.sleep(rng.uniform(0.5, 8.0))  # noqa: TID251 - the length of an outage
        rough.start()
    elif fault == "freeze":
        rough.freeze()
        time.sleep(rng.uniform(1.0, 8.0))  # noqa: TID251
        rough.thaw()
    elif fault == "password":
        right = rough.account
        rough.restart(account=("admin", "another"))
        time.sleep(rng.uniform(2.0, 8.0))  # noqa: TID251
        rough.restart(account=right)
    elif fault == "gone":
        rough.remove(rng.choice(mounts))
        rough.restart()
    elif fault == "hold":
        name = rng.choice(mounts)
        rough.hold(name)
        time.sleep(rng.uniform(1.0, 8.0))  # noqa: TID251
        rough.release(name)
    else:
        rough.mounts = tuple(Mount(name, others[fault]) for name in mounts)
        rough.restart()
        time.sleep(rng.uniform(3.0, 8.0))  # noqa: TID251
        rough.mounts = tuple(Mount(name, feed) for name in mounts)
        rough.restart()
    return fault


def judged(
    samples: list[Sample], faults: dict[str, int], page: dict[str, Any], report: dict[str, Any], *, code: int, log: str
) -> dict[str, Any]:
    """Everything that was measured, and whether the promises were kept."""
    later = [sample for sample in samples if sample.at_s >= min(GROWTH_FROM_S, samples[-1].at_s / 2.0)]
    tenth = max(1, len(later) // 10)
    # Medians: a camera that has just come back with larger pictures holds some of them for a moment.
    first = statistics.median(sample.rss_bytes for sample in later[:tenth])
    last = statistics.median(sample.rss_bytes for sample in later[-tenth:])
    # Means: whoever reconnects or sends at the moment has a file open for it; what is left over stays open.
    quarter = max(1, len(later) // 4)
    parts = (later[:quarter], later[-quarter:])
    threads = [round(statistics.fmean(sample.threads for sample in part), 2) for part in parts]
    fds = [round(statistics.fmean(sample.fds for sample in part), 2) for part in parts]
    cameras = {camera["id"]: camera for camera in page.get("cameras", [])}
    calm = [cameras[f"cam{number}"] for number in range(WELL)]
    lost = {key: sum(camera[key] for camera in calm) for key in ("reconnects", "skipped", "corrupt", "abandoned")}
    growth = last / first - 1.0
    promises = {
        "rss_growth_at_most_1_percent": growth <= 0.01,
        "no_thread_left_over": threads[1] < threads[0] + 0.5,
        "no_file_left_over": fds[1] < fds[0] + 0.5,
        "the_others_lost_nothing": not any(lost.values()),
        "every_camera_is_live_again": all(camera["state"] == "live" for camera in cameras.values()),
        "ledger_balances": report["balanced"] is True,
        "no_capture_lost": report["captures"]["lost"] == report["captures"]["dead"] == 0,
        "captures_delivered": report["captures"]["delivered"] + report["captures"]["refused"] > 0,
        "clean_exit": code == 0,
        "no_password_in_the_log": SECRET not in log,
    }
    return {
        "minutes": round(samples[-1].at_s / 60.0, 1),
        "faults": dict(sorted(faults.items())),
        "faults_in_all": sum(faults.values()),
        "reconnects": sum(camera["reconnects"] for camera in cameras.values()),
        "rss_mb": {"minute_5": round(first / 1e6, 1), "end": round(last / 1e6, 1), "growth": round(growth, 5)},
        "threads": threads,
        "fds": fds,
        "calm_cameras_lost": lost,
        "captures": report["captures"],
        "fps": report["fps_processed"],
        "promises": promises,
        "kept": all(promises.values()),
        "samples": [asdict(sample) for sample in samples[:: max(1, len(samples) // 60)]],
    }


if __name__ == "__main__":
    sys.exit(main())
