"""From a spreadsheet's list to cameras: every row is checked by the configuration's own rules, all mistakes at once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlsplit

from pydantic import ValidationError

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config.delivery_sections import CameraSettings
from vigia.infrastructure.config.layer import KeyPath, Layer, Place, Problem
from vigia.infrastructure.config.loading import settings_keys
from vigia.infrastructure.config.problems import combined, problems_of
from vigia.infrastructure.config.settings import Settings
from vigia.infrastructure.csv_list import CsvProblem, CsvTable, read_csv
from vigia.infrastructure.yaml_text import CameraDocument
from vigia.infrastructure.yaml_text.camera_list import Scalar

CREDENTIALS = ("user", "password")
"""Columns that go into the URL."""
_CAMERA: KeyPath = ("cameras", 0)
_OWN = "settings"
_BARE_HOST = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?:[/?].*)?")
_PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{0,9}[1-9])?")


@dataclass(frozen=True, slots=True)
class ListedCamera:
    """One camera of the list."""

    settings: CameraSettings = field(repr=False)
    document: CameraDocument = field(repr=False)
    """As it is written to ``config.yaml``: only what the list says."""


def read_camera_list(file: Path, *, base: Layer | None = None) -> list[ListedCamera]:
    """Read and check a CSV file.

    Args:
        file: see ``docs/cameras.md`` for its columns.
        base: the configuration that the cameras go into; the defaults when there is none.

    Raises:
        ConfigurationError: the file's name, then a line for each mistake with row and column; no password among them.
    """
    table = read_csv(file, kinds=column_kinds())
    problems = list(table.problems)
    rows: dict[str, int] = {}
    documents, numbers = list[dict[str, object]](), list[int]()
    for row in table.rows:
        taken = rows.setdefault(row.values.get("id", f"\n{row.row}"), row.row)
        if taken != row.row:
            error = ConfigurationError("row %(first)d has the same id", first=taken)
            problems.append(CsvProblem(row.row, table.column("id"), error))
            continue
        document, problem = _document(row.values)
        if problem is not None:
            key, error = problem
            problems.append(CsvProblem(row.row, table.column(key), error))
        documents.append(document)
        numbers.append(row.row)
    settings, others = _checked(documents, numbers, table, problems, base)
    if problems or others:
        located = [Problem(Place(line=p.row), p.told()) for p in problems]
        raise ConfigurationError("%(file)s:\n%(problems)s", file=file, problems=combined([*located, *others]))
    return [ListedCamera(camera, _written(document)) for camera, document in zip(settings, documents, strict=True)]


@cache
def column_kinds() -> Mapping[str, str]:
    """Every column that a list may have, and what it takes."""
    kinds = {"id": "text", "name": "text", "url": "text", "group": "text", "user": "text", "password": "text"}
    for facts in settings_keys():
        is_camera = facts.path[:-1] in {("cameras", "*"), ("cameras", "*", _OWN)}
        if is_camera and facts.kind not in {"section", "list"}:
            kinds.setdefault(facts.path[-1], "number" if facts.kind in {"number", "whole"} else str(facts.kind))
    return kinds


def with_credentials(url: str, user: str, password: str) -> str:
    """``url`` with user and password, percent-encoded.

    Raises:
        ConfigurationError: it takes none, or has some already.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() == "file":
        raise ConfigurationError("a user goes with an address such as rtsp://10.0.0.5/stream")
    if "@" in rest.partition("/")[0]:
        raise ConfigurationError(
            "user and password are in the address already: leave them out of it, or of the columns"
        )
    if not user:
        raise ConfigurationError("a password without a user")
    userinfo = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    return f"{scheme}://{userinfo}@{rest}"


def holds_secrets(cameras: Sequence[ListedCamera]) -> bool:
    """Whether a password or a token is among them."""
    return any(camera.settings.token is not None or _has_userinfo(camera.settings.url) for camera in cameras)


def _has_userinfo(url: str) -> bool:
    try:
        return "@" in urlsplit(url).netloc
    except ValueError:
        return True


def _document(values: Mapping[str, str]) -> tuple[dict[str, object], tuple[str, ConfigurationError] | None]:
    """A camera as the configuration takes it, and what is wrong with its address."""
    own = {key: value for key, value in values.items() if settings_keys().get((*_CAMERA, _OWN, key)) is not None}
    camera: dict[str, object] = {
        key: value for key, value in values.items() if key not in own and key not in CREDENTIALS
    }
    if own:
        camera[_OWN] = own
    url, user, password = (values.get(key, "") for key in ("url", *CREDENTIALS))
    if url and (user or password):
        try:
            camera["url"] = with_credentials(url, user, password)
        except ConfigurationError as error:
            return camera, ("user" if user else "password", error)
    elif _BARE_HOST.fullmatch(url):  # a path of that name is possible, and never meant
        return camera, ("url", ConfigurationError("an address begins with its protocol, such as rtsp://"))
    return camera, None


def _checked(
    documents: Sequence[Mapping[str, object]],
    rows: Sequence[int],
    table: CsvTable,
    problems: list[CsvProblem],
    base: Layer | None,
) -> tuple[tuple[CameraSettings, ...], list[Problem]]:
    """The cameras by the configuration's rules; adds to ``problems``, and returns those of ``base`` itself."""
    places: dict[KeyPath, Place] = {}
    for index, (document, row) in enumerate(zip(documents, rows, strict=True)):
        places["cameras", index] = Place(line=row)
        for key, value in document.items():
            places["cameras", index, key] = Place(line=row, variable=table.column(key))
            if isinstance(value, Mapping):
                for name in value:
                    places["cameras", index, key, name] = Place(line=row, variable=table.column(name))
    layers = [Layer({"cameras": list(documents)}, places), *([] if base is None else [base])]
    try:
        return Settings.from_layers(layers).cameras, list(base.problems) if base is not None else []
    except ValidationError as error:
        others = list(base.problems) if base is not None else []
        for problem in problems_of(error, settings_keys(), layers):
            if problem.place.file or not problem.place.line:
                others.append(problem)
            else:
                problems.append(CsvProblem(problem.place.line, problem.place.variable, _short(problem.error)))
        return (), others


def _short(error: ConfigurationError) -> ConfigurationError:
    """The same error about ``url`` instead of ``cameras[3].url``: row and column say which."""
    key = error.facts.get("key")
    if not isinstance(key, str):
        return error
    return ConfigurationError(error.template, **{**error.facts, "key": key.rpartition(".")[2]})


def _written(document: Mapping[str, object]) -> CameraDocument:
    """The values as they are written: numbers and truth values without quotes."""
    kinds = column_kinds()
    written: dict[str, Scalar | Mapping[str, Scalar]] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            written[key] = {name: _scalar(str(text), kinds[name]) for name, text in value.items()}
        else:
            written[key] = _scalar(str(value), kinds[key])
    return written


def _scalar(text: str, kind: str) -> Scalar:
    if kind == "truth" and text in {"true", "false"}:
        return text == "true"
    if kind == "number" and _PLAIN_NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text
