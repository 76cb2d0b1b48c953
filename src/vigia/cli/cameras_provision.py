"""``vigia cameras provision``: an external detector in FindFace for each camera of the configuration that has none."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from vigia.application.errors import ConfigurationError
from vigia.application.provision_plan import Action, Plan, ProvisionOptions, Step
from vigia.application.use_cases.provision_cameras import ProvisionCamerasUseCase
from vigia.bootstrap import findface_client
from vigia.bootstrap.camera_import import read_camera_list
from vigia.bootstrap.provisioned import detector_file
from vigia.cli.options import ConfigOption, EnvFileOption, JsonOption, read_settings
from vigia.cli.tables import add_row, print_table
from vigia.domain.camera import Camera
from vigia.domain.errors import VigiaError
from vigia.infrastructure.clients.findface_registry import FindfaceDetectorRegistry
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE, Settings
from vigia.infrastructure.config.camera_list import configured_camera
from vigia.infrastructure.i18n import mark, translate, translate_error
from vigia.infrastructure.logging.sinks import console_safe
from vigia.infrastructure.provisioning import DetectorFile

EXIT_FAILED = 1
WORDS = {
    Action.CREATE: mark("to be made"),
    Action.KNOWN: mark("known"),
    Action.CONFLICT: mark("conflict"),
    Action.FAILED: mark("failed"),
}
MADE = mark("made")
"""What ``create`` is called once it is done."""

CsvOption = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="The cameras of this list, not the configuration's.")
]
GroupOption = Annotated[str, typer.Option("--group", help="Group in FindFace for all of them; else each camera's own.")]
CreateGroupOption = Annotated[bool, typer.Option("--create-group", help="Make groups that FindFace does not have.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it; without it only the plan is shown.")]
CredentialsOption = Annotated[
    bool, typer.Option("--without-credentials", help="Leave user and password out of the address in the comment.")
]


def provision(
    *,
    csv: CsvOption = None,
    group: GroupOption = "",
    create_group: CreateGroupOption = False,
    without_credentials: CredentialsOption = False,
    yes: YesOption = False,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    as_json: JsonOption = False,
) -> int:
    """Make external detectors in FindFace for cameras that have none; shows first what it would do."""
    settings = read_settings(config, env_file=env_file)
    cameras = _cameras(settings, csv)
    options = ProvisionOptions(
        group=group.strip(),
        group_default=settings.findface.group_prefix,
        create_groups=create_group,
        with_credentials=not without_credentials,
    )
    clock = SystemClock()
    with contextlib.closing(findface_client(settings, clock=clock)) as client:
        client.login()
        try:
            book = DetectorFile(detector_file(settings))
            use_case = ProvisionCamerasUseCase(FindfaceDetectorRegistry(client), book, clock=clock, options=options)
            plan = use_case.plan(cameras)
            if not yes:
                _show_plan(plan, as_json=as_json)
                return 0
            _tell_groups(plan.new_groups)
            done = use_case.execute(plan, on_step=_ignore if as_json else _tell_step)
        finally:
            with contextlib.suppress(VigiaError):  # the session ends by itself; what was done shall be told
                client.logout()
    if as_json:
        typer.echo(json.dumps(_document(done, applied=True), ensure_ascii=False))
    else:
        _tell_counts(done)
    return EXIT_FAILED if done.count(Action.FAILED) or done.count(Action.CONFLICT) else 0


def _cameras(settings: Settings, csv: Path | None) -> list[Camera]:
    """Those that are to be watched: of the list, else of the configuration."""
    given = settings.cameras if csv is None else [listed.settings for listed in read_camera_list(csv)]
    cameras = [configured_camera(camera) for camera in given if camera.active]
    if not cameras:
        raise ConfigurationError("no active camera to provision: write them under cameras:, or give --csv FILE")
    return cameras


def _show_plan(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_document(plan, applied=False), ensure_ascii=False))
        return
    table = Table(box=None, padding=(0, 2))
    for title in (mark("id"), mark("plan"), "FindFace", mark("group"), "URL", mark("why")):
        table.add_column(translate(title))
    for step in plan.steps:
        number = "-" if step.detector is None else str(step.detector.findface_id)
        style = {Action.CONFLICT: "red", Action.CREATE: "green"}.get(step.action)
        row = (step.camera.id, translate(WORDS[step.action]), number, step.group, step.camera.url_redacted, _why(step))
        add_row(table, row, style=style)
    print_table(table)
    _tell_groups(plan.new_groups)
    _tell_counts(plan, planned=True)


def _tell_groups(names: Sequence[str]) -> None:
    for name in names:
        _tell(translate("group %(name)s does not exist and is made first") % {"name": name})


def _tell_step(step: Step) -> None:
    word = MADE if step.action is Action.CREATE else WORDS[step.action]
    number = "" if step.detector is None else f" ({step.detector.findface_id})"
    why = _why(step)
    typer.echo(console_safe(f"{step.camera.id}: {translate(word)}{number}{': ' if why else ''}{why}"))


def _ignore(_step: Step) -> None:
    """With ``--json`` everything is told at the end."""


def _tell_counts(plan: Plan, *, planned: bool = False) -> None:
    counts = {action.value: plan.count(action) for action in Action}
    if planned:
        _tell(translate("%(create)d to be made, %(known)d known, %(conflict)d in conflict") % counts)
        if counts["create"] or counts["known"]:
            _tell(translate("nothing was changed; --yes does it"))
    else:
        _tell(translate("%(create)d made, %(known)d known, %(conflict)d in conflict, %(failed)d failed") % counts)


def _why(step: Step) -> str:
    return "" if step.reason is None else translate_error(step.reason)


def _document(plan: Plan, *, applied: bool) -> dict[str, Any]:
    return {
        "applied": applied,
        "cameras": [
            {
                "id": step.camera.id,
                "name": step.camera.name,
                "action": step.action.value,
                "group": step.group,
                "findface_id": None if step.detector is None else step.detector.findface_id,
                "url": step.camera.url_redacted,
                "reason": None if step.reason is None else str(step.reason),
            }
            for step in plan.steps
        ],
        "new_groups": list(plan.new_groups),
        "counts": {action.value: plan.count(action) for action in Action},
    }


def _tell(text: str) -> None:
    """One line for a person, beside the result."""
    typer.echo(console_safe(text), err=True)
