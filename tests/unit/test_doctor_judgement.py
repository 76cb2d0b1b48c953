"""What the doctor makes of facts: values in, findings out."""

import ast
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.diagnosis import Area, Finding, FindingKind, Status, Verdict
from vigia.application.errors import SourceAuthFailed, SourceStalled, SourceUnreachable
from vigia.application.outbox_port import OutboxStats
from vigia.bootstrap.capacity import Capacity
from vigia.bootstrap.doctor import cameras as camera_looks
from vigia.bootstrap.doctor.capacities import judge_capacity
from vigia.bootstrap.doctor.clocks import FAR_OFF_S, OFF_S, JumpWitness, Skew, is_synchronised, judge_skew
from vigia.bootstrap.doctor.configuration import judge_settings
from vigia.bootstrap.doctor.disk import Room, judge_file_system, judge_room
from vigia.bootstrap.doctor.findface import judge_known, judge_listed, judge_time
from vigia.bootstrap.doctor.kinds import KINDS
from vigia.bootstrap.doctor.machine import cpu_quota, free_bytes, judge_cores, judge_files, judge_memory
from vigia.bootstrap.doctor.outbox import judge_outbox
from vigia.bootstrap.doctor.sight import judge_look
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import CaptureState
from vigia.infrastructure.clients.findface_wire import FindfaceCamera, FindfaceGroup
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.video import source, source_errors
from vigia.testing.sim_clock import SimClock

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def settings_of(**overrides: str) -> Settings:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    return load_settings(None, env_file=None, environ={}, overrides=keys)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ids(findings: Iterable[Finding]) -> list[str]:
    return [finding.kind.id for finding in findings]


def statuses(findings: Iterable[Finding]) -> list[Status]:
    return [finding.status for finding in findings]


@pytest.mark.parametrize(("status", "remedy"), [(Status.ERROR, ""), (Status.WARNING, ""), (Status.OK, "do this")])
def test_a_complaint_without_advice_cannot_be_declared(status: Status, remedy: str) -> None:
    with pytest.raises(ValueError, match="remedy"):
        FindingKind("disk.broken", status, "it is broken", remedy)


def test_a_finding_is_of_its_kinds_area_unless_told() -> None:
    kind = FindingKind("disk.well", Status.OK, "well", point="disk")
    assert kind.of().area is Area.DISK
    assert (kind.of().point, kind.of().is_named) == ("disk", False)
    assert (kind.of("sda").point, kind.of("sda").is_named) == ("sda", True)
    assert kind.of(area=Area.CLOCK).area is Area.CLOCK


@given(st.lists(st.sampled_from(sorted(KINDS))), st.booleans())
def test_warnings_count_only_where_it_is_strict(chosen: list[str], strict: bool) -> None:
    findings = [KINDS[name].of("x", area=Area.DISK) for name in chosen]
    verdict = Verdict.of(findings)
    told = {finding.status for finding in findings}
    assert verdict.passes(strict=strict) is not (Status.ERROR in told or (strict and Status.WARNING in told))
    assert verdict.errors + verdict.warnings == sum(status is not Status.OK for status in statuses(findings))


class TestClock:
    @given(
        off_s=st.floats(-5000, 5000),
        answers=st.lists(
            st.tuples(st.floats(0, 5), st.floats(0, 5), st.floats(0, 100), st.floats(0, 1)), min_size=1, max_size=8
        ),
    )
    def test_answers_never_exclude_the_truth(
        self, off_s: float, answers: list[tuple[float, float, float, float]]
    ) -> None:
        """Whatever the way there and back takes, however the server's seconds are cut off and kept for another."""
        found = Skew()
        for there_s, back_s, later_s, stale_s in answers:
            sent = NOON + timedelta(seconds=later_s)
            theirs = sent + timedelta(seconds=there_s - off_s - stale_s)
            skew = Skew.of_answer(
                format_datetime(theirs.replace(microsecond=0), usegmt=True),
                sent_utc=sent,
                received_utc=sent + timedelta(seconds=there_s + back_s),
            )
            assert skew is not None
            found = found.both(skew)
        assert found.low_s - 1e-5 <= off_s <= found.high_s + 1e-5
        assert abs(found.least_s) <= abs(off_s) + 1e-5
        assert found.most_s >= abs(off_s) - 1e-5
        (finding,) = judge_skew([found])
        if abs(off_s) <= OFF_S:
            assert finding.status is Status.OK
        if finding.status is Status.ERROR:
            assert abs(off_s) > FAR_OFF_S - 1e-5

    @pytest.mark.parametrize("off_s", [-40.0, -4.5, 0.0, 4.5, 40.0])
    def test_a_quick_answer_tells_how_far_and_which_way(self, off_s: float) -> None:
        received = NOON + timedelta(seconds=0.02)
        skew = Skew.of_answer(format_datetime(NOON - timedelta(seconds=off_s)), sent_utc=NOON, received_utc=received)
        assert skew is not None
        (finding,) = judge_skew([skew])
        wanted = {0.0: "clock.agrees", 4.5: "clock.off", 40.0: "clock.far-off"}[abs(off_s)]
        assert finding.kind.id == wanted
        if off_s:
            assert str(finding.facts["direction"]) == ("ahead of" if off_s > 0 else "behind")

    @pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 May 2026", "12:00"])
    def test_a_server_without_a_clock_says_nothing(self, date: str) -> None:
        assert Skew.of_answer(date, sent_utc=NOON, received_utc=NOON) is None
        assert list(judge_skew([])) == []

    def test_answers_that_contradict_each_other_leave_the_last(self) -> None:
        """Somebody set a clock in between."""
        assert Skew(0.0, 1.0).both(Skew(30.0, 31.0)) == Skew(30.0, 31.0)
        assert Skew(-inf, 1.0).both(Skew(0.0, 9.0)) == Skew(0.0, 1.0)

    @pytest.mark.parametrize(
        ("moved_s", "told"), [(0.3, []), (-0.3, []), (2.0, ["clock.jumped"]), (-90.0, ["clock.jumped"])]
    )
    def test_a_clock_that_is_set_meanwhile(self, moved_s: float, told: list[str]) -> None:
        clock = SteppedClock()
        witness = JumpWitness(clock)
        clock.advance(10.0)
        clock.step_s += moved_s
        assert ids(witness.findings()) == told

    def test_the_kernel_is_asked(self) -> None:
        assert is_synchronised() in {True, False, None}


class SteppedClock(SimClock):
    """A clock that somebody sets."""

    step_s = 0.0

    def utc(self) -> datetime:
        return super().utc() + timedelta(seconds=self.step_s)


class TestMachine:
    @given(limit=st.integers(-1, 100_000), cameras=st.integers(0, 10_000))
    def test_more_cameras_never_need_fewer_files(self, limit: int, cameras: int) -> None:
        one, more = judge_files(limit, cameras=cameras), judge_files(limit, cameras=cameras + 1)
        assert one.status is Status.OK or more.status is Status.ERROR
        if limit < 0:
            assert one.status is Status.OK, "no limit"

    @pytest.mark.parametrize(
        ("limit", "cameras", "status"), [(1024, 8, "ok"), (1024, 96, "ok"), (1024, 97, "error"), (64, 1, "error")]
    )
    def test_the_usual_limit_is_for_some_ninety_cameras(self, limit: int, cameras: int, status: str) -> None:
        finding = judge_files(limit, cameras=cameras)
        assert finding.status == status
        assert int(str(finding.facts["needed"])) > 8 * cameras

    def test_memory(self) -> None:
        assert judge_memory(4_000_000_000, cameras=8).status is Status.OK
        assert judge_memory(4_000_000_000, cameras=200).status is Status.WARNING

    @pytest.mark.parametrize(
        ("overrides", "cores", "quota", "told"),
        [
            ({}, 8, None, "machine.cores"),
            ({}, 8, 2.0, "machine.quota"),
            ({}, 8, 7.9, "machine.cores"),
            ({}, 1, 0.5, "machine.cores"),  # fewer than one shard there is not
            ({"shards__count": "2"}, 8, 2.0, "machine.cores"),
            ({"shards__count": "12"}, 8, None, "machine.many-shards"),
        ],
    )
    def test_shards_follow_what_the_container_may_use(
        self, overrides: dict[str, str], cores: int, quota: float | None, told: str
    ) -> None:
        assert judge_cores(settings_of(**overrides), cores=cores, quota=quota).kind.id == told

    def test_limits_of_a_container_are_read(self, tmp_path: Path) -> None:
        assert cpu_quota(tmp_path) is None
        (tmp_path / "cpu.max").write_text("150000 100000\n")
        assert cpu_quota(tmp_path) == 1.5
        (tmp_path / "cpu.max").write_text("max 100000\n")
        assert cpu_quota(tmp_path) is None
        everything = free_bytes(tmp_path)
        (tmp_path / "memory.max").write_text("1000000\n")
        (tmp_path / "memory.current").write_text("400000\n")
        assert free_bytes(tmp_path) == 600_000 < everything
        (tmp_path / "memory.max").write_text("max\n")
        assert free_bytes(tmp_path) > 600_000

    def test_limits_of_an_older_container_are_read(self, tmp_path: Path) -> None:
        (tmp_path / "cpu").mkdir()
        (tmp_path / "cpu/cpu.cfs_quota_us").write_text("250000")
        (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000")
        assert cpu_quota(tmp_path) == 2.5
        (tmp_path / "cpu/cpu.cfs_quota_us").write_text("-1")
        assert cpu_quota(tmp_path) is None

    @pytest.mark.parametrize(("ms", "told"), [(8.0, "model.ready"), (400.0, "model.slow")])
    def test_a_slow_model(self, ms: float, told: str) -> None:
        assert judge_look("yunet-n", ms=ms, width=320).kind.id == told

    @pytest.mark.parametrize(("count", "told"), [(17, "capacity.enough"), (60, "capacity.too-small")])
    def test_capacity(self, count: int, told: str) -> None:
        found = Capacity(shards=2, fps=30.0, decode_s=0.002, detect_s=0.004, load_target=0.8)
        assert judge_capacity(settings_of(detector__cadence_k_max="4"), found, count=count).kind.id == told


class TestDisk:
    @given(st.integers(0, 10**13), st.one_of(st.none(), st.integers(0, 10**9)), st.integers(0, 10**10))
    def test_a_full_disk_is_an_error_and_a_nearly_full_one_a_warning(
        self, free: int, inodes: int | None, kept: int
    ) -> None:
        told = ids(judge_room(Path("/o"), Room(free, inodes), kept_bytes=kept))
        assert ("disk.full" in told) is (free <= kept)
        assert ("disk.low" in told) is (kept < free < kept + 1_000_000_000)
        assert ("disk.few-inodes" in told) is (inodes is not None and inodes < 10_000)

    @pytest.mark.parametrize(
        ("kind", "lacks", "told"),
        [
            ("ext4", "", []),
            ("", "", []),
            ("tmpfs", "", ["disk.in-memory"]),
            ("nfs4", "", ["disk.network"]),
            ("cifs", "flock", ["disk.lacks", "disk.network"]),
        ],
    )
    def test_file_systems(self, kind: str, lacks: str, told: list[str]) -> None:
        assert ids(judge_file_system(Path("/o"), kind, lacks=lacks)) == told

    @pytest.mark.parametrize(
        ("waiting", "dead", "told"),
        [
            (3, 0, ["outbox.ready"]),
            (3, 2, ["outbox.ready", "outbox.dead"]),
            (80, 0, ["outbox.nearly-full"]),
        ],
    )
    def test_what_waits(self, waiting: int, dead: int, told: list[str]) -> None:
        stats = OutboxStats({CaptureState.PENDING: waiting}, None, 0, kept={CaptureState.DEAD: dead})
        assert ids(judge_outbox(settings_of(outbox__max_captures="100"), "/o", stats)) == told


class TestConfiguration:
    @pytest.mark.parametrize(
        ("overrides", "told"),
        [
            ({}, []),
            ({"findface__url": "https://ff.example"}, []),
            ({"findface__url": "http://127.0.0.1:9000"}, []),
            ({"findface__url": "http://ff.example"}, ["configuration.clear"]),
            (
                {"findface__url": "https://ff.example", "findface__tls_insecure_skip_verify": "true"},
                ["configuration.no-tls-check"],
            ),
            ({"findface__read_timeout_s": "20"}, ["configuration.short-read"]),
            ({"findface__start_without": "true"}, ["configuration.start-without"]),
            ({"web__metrics_public": "true"}, []),
            ({"web__metrics_public": "true", "web__host": "0.0.0.0"}, ["configuration.metrics-public"]),  # noqa: S104
        ],
    )
    def test_what_is_valid_and_risky(self, overrides: dict[str, str], told: list[str]) -> None:
        assert ids(judge_settings(settings_of(**overrides))) == told

    def test_a_kept_list_of_cameras_is_enough_to_start_without(self, tmp_path: Path) -> None:
        settings = settings_of(findface__start_without="true", data_dir=str(tmp_path))
        assert ids(judge_settings(settings)) == ["configuration.start-without"]
        settings.camera_list_file.write_text("{}")
        assert ids(judge_settings(settings)) == []


def camera(name: str, url: str, *, findface_id: int | None = 1, token: str = "t") -> Camera:  # noqa: S107 - a camera's
    return Camera(CameraId(name), name, url, findface_id, token)


def detector(
    number: int,
    *,
    token: str = "t",  # noqa: S107 - as above
    active: bool = True,
    comment: str = "rtsp://x/1",
    group: int = 1,
) -> FindfaceCamera:
    return FindfaceCamera(number, f"camera {number}", group, active, True, comment, token)


class TestCameras:
    def test_twins(self) -> None:
        told = list(
            camera_looks.judge_list(
                [
                    camera("gate", "rtsp://a:b@10.0.0.5/live"),
                    camera("door", "rtsp://c:d@10.0.0.5/live", findface_id=2),
                    camera("dock", "rtsp://10.0.0.6/live", findface_id=1),
                    camera("yard", "rtsp://10.0.0.7/live", findface_id=None),
                    camera("clip", "/videos/a.mp4", findface_id=3),
                    camera("clip again", "/videos/a.mp4", findface_id=4),
                ]
            )
        )
        assert [(finding.kind.id, finding.point) for finding in told] == [
            ("cameras.same-url", "door"),
            ("cameras.same-id", "dock"),
            ("cameras.unsendable", "yard"),
        ]
        assert told[0].facts["other"] == "gate"

    def test_every_error_of_a_source_has_a_remedy_of_its_own(self) -> None:
        """Templates are read from the source, so that a new one cannot be forgotten."""
        general = {
            "%(url)s cannot be opened: %(why)s",  # a file's remedy or the general one, by the address
            "%(url)s is not open",  # not before it was opened
            "%(url)s closed the stream",  # later than a look lasts; general
            "%(url)s was played to its end",
            "%(url)s broke off: %(why)s",
            "%(url)s has changed its codec from %(before)s to %(after)s",
        }
        raised = set()
        for module in (source, source_errors):
            for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.startswith("Source"):
                    raised |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
        assert raised
        assert raised - general <= camera_looks.KIND_OF_TEMPLATE.keys()

    @pytest.mark.parametrize(
        ("url", "error", "told"),
        [
            ("rtsp://x/1", SourceAuthFailed("%(url)s refused the user or password", url="x"), "cameras.refused"),
            ("rtsp://x/1", SourceAuthFailed("%(url)s forbids this user to look (403)", url="x"), "cameras.forbidden"),
            ("rtsp://x/1", SourceUnreachable("%(url)s cannot be opened: %(why)s", url="x", why="y"), "cameras.fails"),
            ("/a.mp4", SourceUnreachable("%(url)s cannot be opened: %(why)s", url="x", why="y"), "cameras.file"),
            ("rtsp://x/1", SourceStalled("of a kind that is not known yet"), "cameras.no-pictures"),
        ],
    )
    def test_remedies(self, url: str, error: SourceUnreachable, told: str) -> None:
        assert camera_looks.kind_of(camera("gate", url), error).id == told

    @pytest.mark.parametrize(
        ("page", "told"),
        [
            (None, "cameras.not-taken-up"),
            ({"state": "connecting"}, "cameras.not-taken-up"),
            ({"state": "live", "codec": "h264", "width": 1, "height": 1, "fps": 9.0}, "cameras.watched"),
            ({"state": "stalled", "reason": None}, "cameras.troubled"),
            (
                {
                    "state": "auth_failed",
                    "reason": {"template": "%(url)s refused the user or password", "facts": {"url": "rtsp://***@x"}},
                },
                "cameras.refused",
            ),
        ],
    )
    def test_beside_a_run(self, page: dict[str, object] | None, told: str) -> None:
        assert camera_looks.watched(camera("gate", "rtsp://x/1"), page).kind.id == told


class TestFindface:
    def test_cameras_that_findface_would_refuse(self) -> None:
        cameras = [
            camera("good", "rtsp://x/1", findface_id=1),
            camera("unknown", "rtsp://x/2", findface_id=2),
            camera("other token", "rtsp://x/3", findface_id=3, token="mine"),
            camera("off", "rtsp://x/4", findface_id=4),
            camera("nothing", "rtsp://x/5", findface_id=None),
        ]
        detectors = {1: detector(1), 3: detector(3, token="theirs"), 4: detector(4, active=False)}
        assert [(finding.point, finding.kind.id) for finding in judge_known(cameras, detectors)] == [
            ("unknown", "findface.camera-unknown"),
            ("other token", "findface.camera-token"),
            ("off", "findface.camera-inactive"),
        ]

    def test_no_token_is_in_a_finding(self) -> None:
        (finding,) = judge_known([camera("a", "rtsp://x/1", token="s3cret-1")], {1: detector(1, token="s3cret-2")})
        assert "s3cret" not in repr(finding)

    def test_cameras_that_are_left_out(self) -> None:
        groups = [
            FindfaceGroup(1, "vigia north", True),
            FindfaceGroup(2, "others", True),
            FindfaceGroup(3, "vigia", False),
        ]
        detectors = {
            d.id: d
            for d in (
                detector(1),
                detector(2, comment="the gate"),
                detector(3, token=""),
                detector(4, comment="", group=2),
                detector(5, comment="", group=3),
                detector(6, comment="", active=False),
            )
        }
        told = judge_listed(settings_of(findface__group_prefix="vigia"), groups, detectors)
        assert [(finding.point, finding.kind.id) for finding in told] == [
            ("camera 2 (2)", "findface.camera-no-address"),
            ("camera 3 (3)", "findface.camera-no-token"),
        ]

    def test_a_slow_server(self) -> None:
        assert judge_time(80.0).status is Status.OK
        assert judge_time(4000.0).status is Status.WARNING
