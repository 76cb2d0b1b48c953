"""Weights: found, fetched, checked, prepared; and a clear text when they are not."""

import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from vigia.application.errors import ModelUnavailable
from vigia.application.service import LoopService
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.detection import prepare as prepare_module
from vigia.infrastructure.detection import store as store_module
from vigia.infrastructure.detection.registry import MODELS, ModelSpec
from vigia.infrastructure.detection.store import ModelStore

CONTENT = b"weights of a small network"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Nothing."""


@pytest.fixture
def public(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A real HTTP server with a folder of files."""
    folder = tmp_path / "public"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    ended = threading.Event()

    def serve() -> None:
        server.serve_forever(poll_interval=0.02)
        ended.set()

    service = LoopService("weights-server", serve, clock=SystemClock())
    service.start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    assert ended.wait(5)
    server.server_close()


def spec(url: str, content: bytes = CONTENT) -> ModelSpec:
    """A model whose weights are no graph: so it is not prepared."""
    return replace(MODELS["yunet-n"], url=url, sha256=hashlib.sha256(content).hexdigest(), prepared=False)


def test_fetched_weights_are_checked_and_kept(tmp_path: Path, public: tuple[Path, str]) -> None:
    folder, url = public
    (folder / "n.onnx").write_bytes(CONTENT)
    store = ModelStore(tmp_path / "models")
    path = store.pull(spec(f"{url}/n.onnx"))
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == [path.name], "nothing half-written is left"


def test_wrong_content_is_refused_and_not_kept(tmp_path: Path, public: tuple[Path, str]) -> None:
    folder, url = public
    (folder / "n.onnx").write_bytes(b"something else")
    with pytest.raises(ModelUnavailable, match="SHA-256"):
        ModelStore(tmp_path / "models").pull(spec(f"{url}/n.onnx"))
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("path", ["/missing.onnx", ":1/closed"])
def test_an_address_that_does_not_answer_is_told(tmp_path: Path, public: tuple[Path, str], path: str) -> None:
    address = public[1] + path if path.startswith("/") else "http://127.0.0.1:1/closed"
    with pytest.raises(ModelUnavailable, match="cannot be fetched"):
        ModelStore(tmp_path).pull(spec(address))


def test_auto_takes_yunet_when_it_is_here_and_centerface_when_nothing_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = {**MODELS, "yunet-n": spec("http://127.0.0.1:1/closed"), "yunet-s": spec("http://127.0.0.1:1/x", b"s")}
    monkeypatch.setattr(store_module, "MODELS", local)
    store = ModelStore(tmp_path)
    assert store.resolve("auto")[0].name == "centerface"
    own = local["yunet-n"]
    (tmp_path / f"{own.name}-{own.sha256[:12]}.onnx").write_bytes(CONTENT)
    assert store.resolve("auto")[0].name == "yunet-n"


def test_auto_fetches_yunet_when_its_address_answers(
    tmp_path: Path, public: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = public
    (folder / "n.onnx").write_bytes(CONTENT)
    monkeypatch.setattr(store_module, "MODELS", {**MODELS, "yunet-n": spec(f"{url}/n.onnx")})
    chosen, path = ModelStore(tmp_path).resolve("auto")
    assert (chosen.name, path.read_bytes()) == ("yunet-n", CONTENT)


def test_a_file_with_the_wrong_hash_is_never_used(tmp_path: Path) -> None:
    real = MODELS["yunet-s"]
    (tmp_path / f"{real.name}-{real.sha256[:12]}.onnx").write_bytes(b"tampered")
    with pytest.raises(ModelUnavailable, match="SHA-256 is wrong"):
        ModelStore(tmp_path).resolve("yunet-s")
    status = next(s for s in ModelStore(tmp_path).statuses() if s.spec.name == "yunet-s")
    assert status.path is None
    assert status.problem


def test_unknown_names_and_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="there is no model nix"):
        ModelStore(tmp_path).resolve("nix")
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        ModelStore(tmp_path).resolve_file(tmp_path / "none.onnx")
    (tmp_path / "other.onnx").write_bytes(b"?")
    with pytest.raises(ModelUnavailable, match="none of the models"):
        ModelStore(tmp_path).resolve_file(tmp_path / "other.onnx")
    with pytest.raises(ModelUnavailable, match="vigia models pull yunet-n"):
        ModelStore(tmp_path).resolve("yunet-n")


def test_the_prepared_graph_is_made_once(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    _, first = store.resolve("centerface")
    made_ns = first.stat().st_mtime_ns
    assert store.resolve("centerface")[1].stat().st_mtime_ns == made_ns
    assert [p.suffix for p in tmp_path.iterdir()] == [".onnx"]


def test_a_directory_that_cannot_be_written_is_told_and_the_run_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    _, path = ModelStore(tmp_path / "file" / "models").resolve("centerface")
    assert path.is_file()
    assert any("cannot be written" in record.getMessage() for record in caplog.records)


def test_a_preparation_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(_source: Path, target: Path, **_rest: object) -> None:
        target.write_bytes(b"half a gra")
        raise MemoryError

    monkeypatch.setattr(prepare_module, "prepare_graph", half)
    with pytest.raises(MemoryError):
        ModelStore(tmp_path).resolve("centerface")
    assert list(tmp_path.iterdir()) == []
