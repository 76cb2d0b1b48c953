"""Which cameras are made in FindFace, and that none is ever made twice, whatever breaks in between."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.errors import DeliveryAmbiguous, RecognizerUnreachable
from vigia.application.provision_plan import Action, Plan, ProvisionOptions, Step, make_plan
from vigia.application.provisioning import Detector, DetectorGroup, DetectorRefused, KnownDetector
from vigia.application.use_cases.provision_cameras import ProvisionCamerasUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.testing.sim_clock import SimClock
from vigia.testing.sim_detectors import Killed, MakingFault, MemoryDetectorBook, SimDetectorRegistry

NONE, REFUSED = MakingFault.NONE, MakingFault.REFUSED
REQUEST_LOST, ANSWER_LOST = MakingFault.REQUEST_LOST, MakingFault.ANSWER_LOST
SITE, OLD = DetectorGroup(1, "site"), DetectorGroup(2, "old", active=False)


def camera(camera_id: str, /, **changes: object) -> Camera:
    made = Camera(CameraId(camera_id), camera_id.title(), f"rtsp://ana:p4ss@10.0.0.5/{camera_id}", group="site")
    return replace(made, **changes)  # type: ignore[arg-type]


def detector(number: int, name: str = "", url: str = "", **changes: object) -> Detector:
    return replace(Detector(number, name, 1, external=True, comment=url, token=f"t{number}"), **changes)  # type: ignore[arg-type]


def plan(
    *cameras: Camera,
    detectors: Sequence[Detector] = (),
    known: Mapping[str, KnownDetector] | None = None,
    options: ProvisionOptions | None = None,
    groups: Sequence[DetectorGroup] = (SITE, OLD),
) -> Plan:
    booked = {CameraId(key): value for key, value in (known or {}).items()}
    chosen = options if options is not None else ProvisionOptions()
    return make_plan(cameras, groups=groups, detectors=detectors, known=booked, options=chosen)


def one(step_of: Plan) -> tuple[Action, int | None, str]:
    (step,) = step_of.steps
    return step.action, None if step.detector is None else step.detector.findface_id, str(step.reason or "")


def test_a_camera_that_findface_does_not_have_is_made_in_its_group() -> None:
    found = plan(camera("gate"))
    assert one(found) == (Action.CREATE, None, "")
    assert (found.steps[0].group, found.group_ids, found.new_groups) == ("site", {"site": 1}, ())


def test_it_is_known_by_its_number_before_all_else() -> None:
    found = plan(camera("gate", findface_id=7), detectors=[detector(6, "Gate", camera("gate").url), detector(7)])
    assert one(found) == (Action.KNOWN, 7, "known by its number")


@pytest.mark.parametrize(
    ("changes", "theirs", "told"),
    [
        ({"findface_id": 9}, detector(7), "FindFace has no camera 9"),
        ({"findface_id": 7}, detector(7, external=False), "camera 7 in FindFace is no external detector"),
        ({"findface_id": 7, "token": "x"}, detector(7), "its token is not the one that FindFace has"),
    ],
)
def test_a_number_that_is_wrong_is_for_a_person(changes: dict[str, object], theirs: Detector, told: str) -> None:
    assert one(plan(camera("gate", **changes), detectors=[theirs])) == (Action.CONFLICT, None, told)


def test_a_booked_number_counts_together_with_its_token() -> None:
    known = {"gate": KnownDetector(7, "t7")}
    assert one(plan(camera("gate"), detectors=[detector(7)], known=known)) == (Action.KNOWN, 7, "booked before")
    other = plan(camera("gate"), detectors=[detector(7, token="other")], known=known)
    assert one(other)[0] is Action.CREATE, "another FindFace, or another camera since"
    assert one(plan(camera("gate"), known=known))[0] is Action.CREATE, "deleted there"


@pytest.mark.parametrize(
    "comment",
    ["rtsp://10.0.0.5/gate", "rtsp://ana:new@10.0.0.5:554/gate", "  rtsp://ana:p4ss@10.0.0.5/gate  north, by the tree"],
)
def test_it_is_known_by_its_address_whatever_the_password(comment: str) -> None:
    assert one(plan(camera("gate"), detectors=[detector(7, "other", comment)])) == (
        Action.KNOWN, 7, "known by its address",
    )  # fmt: skip


def test_of_two_with_its_address_the_one_in_its_group_counts() -> None:
    url = camera("gate").url
    theirs = [detector(6, url=url, group_id=2), detector(7, url=url)]
    assert one(plan(camera("gate"), detectors=theirs))[:2] == (Action.KNOWN, 7)
    twice = [*theirs, detector(8, url=url)]
    assert one(plan(camera("gate"), detectors=twice)) == (
        Action.CONFLICT,
        None,
        "several cameras in FindFace fit: 7, 8",
    )


def test_what_findface_watches_itself_is_not_taken() -> None:
    theirs = detector(7, "Gate", camera("gate").url, external=False)
    assert one(plan(camera("gate"), detectors=[theirs]))[0] is Action.CREATE


def test_a_namesake_without_an_address_is_it_and_one_with_another_is_a_question() -> None:
    assert one(plan(camera("gate"), detectors=[detector(7, "Gate")])) == (Action.KNOWN, 7, "known by its name")
    told = one(plan(camera("gate"), detectors=[detector(7, "Gate", "rtsp://h/x")]))
    assert told == (Action.CONFLICT, None, "camera 7 in FindFace has its name and another address")
    elsewhere = plan(camera("gate"), detectors=[detector(7, "Gate", group_id=2)])
    assert one(elsewhere)[0] is Action.CREATE, "names count within the group"


def test_two_cameras_never_get_the_same_detector() -> None:
    url = camera("gate").url
    found = plan(
        camera("gate"), camera("hall", url=url), camera("yard", findface_id=7), detectors=[detector(7, url=url)]
    )
    assert [str(step.reason) for step in found.steps] == [
        "camera 7 in FindFace belongs to yard",
        "camera gate has the same address",
        "known by its number",
    ]


@pytest.mark.parametrize(
    ("options", "changes", "told"),
    [
        (ProvisionOptions(), {"group": ""}, "it has no group: give --group"),
        (ProvisionOptions(group="new"), {}, "FindFace has no group new; --create-group makes it"),
        (ProvisionOptions(group="old"), {}, "group old is not active in FindFace"),
        (ProvisionOptions(), {"name": "x" * 257}, "its name is longer than FindFace takes"),
        (ProvisionOptions(), {"url": "rtsp://h/" + "x" * 2048}, "its address is longer than a comment in FindFace"),
    ],
)
def test_what_cannot_be_made_is_told(options: ProvisionOptions, changes: dict[str, object], told: str) -> None:
    assert one(plan(camera("gate", **changes), options=options)) == (Action.CONFLICT, None, told)


def test_groups() -> None:
    twice = [SITE, DetectorGroup(5, "site")]
    assert one(plan(camera("gate"), groups=twice))[2] == "FindFace has 2 groups called site"
    assert plan(camera("gate", group=""), options=ProvisionOptions(group_default="site")).group_ids == {"site": 1}
    made = plan(camera("a"), camera("b"), options=ProvisionOptions(group="new", create_groups=True))
    assert (made.new_groups, made.count(Action.CREATE)) == (("new",), 2)


def provision(
    registry: SimDetectorRegistry,
    book: MemoryDetectorBook,
    cameras: Sequence[Camera],
    options: ProvisionOptions | None = None,
) -> tuple[Plan, list[Step]]:
    chosen = options if options is not None else ProvisionOptions()
    use_case = ProvisionCamerasUseCase(registry, book, clock=SimClock(), options=chosen)
    told: list[Step] = []
    return use_case.execute(use_case.plan(cameras), on_step=told.append), told


def test_it_is_made_booked_and_told() -> None:
    registry, book = SimDetectorRegistry([SITE]), MemoryDetectorBook()
    done, told = provision(registry, book, [camera("gate"), camera("hall")])
    assert done.count(Action.CREATE) == 2
    assert [step.camera.id for step in told] == ["gate", "hall"]
    assert book.read() == {CameraId("gate"): KnownDetector(10, "t10"), CameraId("hall"): KnownDetector(11, "t11")}
    assert registry.all_detectors[0].comment == "rtsp://ana:p4ss@10.0.0.5/gate"


def test_credentials_may_be_left_out_and_the_camera_is_still_known() -> None:
    registry, book = SimDetectorRegistry([SITE]), MemoryDetectorBook()
    provision(registry, book, [camera("gate")], ProvisionOptions(with_credentials=False))
    assert registry.all_detectors[0].comment == "rtsp://10.0.0.5/gate"
    done, _ = provision(registry, MemoryDetectorBook(), [camera("gate")])
    assert one(done)[2] == "known by its address"


@pytest.mark.parametrize(
    ("faults", "made"),
    [
        ([ANSWER_LOST], 1),
        ([REQUEST_LOST, NONE], 1),
        ([REQUEST_LOST, ANSWER_LOST], 1),
        ([REQUEST_LOST, REQUEST_LOST], 0),
    ],
)
def test_a_doubtful_answer_is_looked_up_before_it_is_tried_again(faults: list[MakingFault], made: int) -> None:
    registry, book = SimDetectorRegistry([SITE], faults=iter(faults)), MemoryDetectorBook()
    done, _ = provision(registry, book, [camera("gate")])
    assert len(registry.all_detectors) == len(book.read()) == made
    assert done.count(Action.FAILED) == 1 - made


def test_one_that_is_refused_does_not_stop_the_others() -> None:
    registry, book = SimDetectorRegistry([SITE], faults=iter([REFUSED, NONE])), MemoryDetectorBook()
    done, _ = provision(registry, book, [camera("gate"), camera("hall")])
    assert [step.action for step in done.steps] == [Action.FAILED, Action.CREATE]


def test_a_camera_without_a_token_is_no_success() -> None:
    registry, book = SimDetectorRegistry([SITE], faults=iter([])), MemoryDetectorBook()
    registry.all_detectors = [detector(7, "Gate", token="")]
    done, _ = provision(registry, book, [camera("gate")])
    assert one(done) == (Action.FAILED, 7, "FindFace gives no token for camera 7")
    assert book.read() == {}


def test_a_group_whose_answer_got_lost_is_made_once() -> None:
    registry, book = SimDetectorRegistry([SITE], faults=iter([ANSWER_LOST, NONE])), MemoryDetectorBook()
    provision(registry, book, [camera("gate")], ProvisionOptions(group="new", create_groups=True))
    assert [group.name for group in registry.all_groups] == ["site", "new"]
    assert registry.all_detectors[0].group_id == registry.all_groups[1].id


FAULTS = st.lists(st.sampled_from([NONE, *MakingFault]), max_size=12)


@given(
    faults=FAULTS, count=st.integers(1, 5), new_group=st.booleans(), credentials=st.lists(st.booleans(), min_size=12)
)
def test_whatever_breaks_each_camera_is_made_once_in_the_end(
    faults: list[MakingFault], count: int, new_group: bool, credentials: list[bool]
) -> None:
    registry, book = (
        SimDetectorRegistry([SITE], faults=itertools.chain(faults, itertools.repeat(NONE))),
        MemoryDetectorBook(),
    )
    cameras = [camera(f"c{number}") for number in range(count)]
    for run in range(len(faults) + 1):
        options = ProvisionOptions(
            group="new" if new_group else "", create_groups=True, with_credentials=credentials[run % len(credentials)]
        )
        try:
            done, _ = provision(registry, book, cameras, options)
        except (Killed, RecognizerUnreachable, DetectorRefused, DeliveryAmbiguous):
            continue
        if not done.count(Action.FAILED):
            break
    assert [detector.name for detector in registry.all_detectors] == [
        detector.name for detector in dict.fromkeys(registry.all_detectors)
    ]
    assert sorted(detector.name for detector in registry.all_detectors) == sorted(c.name for c in cameras)
    assert {key: value.findface_id for key, value in book.read().items()} == {
        CameraId(made.name.lower()): made.findface_id for made in registry.all_detectors
    }
