"""This device's name for FindFace is made once, privately, and never changes."""

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_IMODE
from threading import Barrier
from uuid import UUID

import pytest

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config import stable_uuid


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "data" / "findface-uuid"
    made = stable_uuid(path)
    assert UUID(made).version == 4
    assert stable_uuid(path) == made
    assert S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["findface-uuid"]


def test_another_place_is_another_device(tmp_path: Path) -> None:
    assert stable_uuid(tmp_path / "a") != stable_uuid(tmp_path / "b")


def test_a_name_given_by_hand_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "u"
    path.write_text("  portaria-1\n\n", encoding="utf-8")
    assert stable_uuid(path) == "portaria-1"


@pytest.mark.parametrize("content", [b"", b" \n", b"a\nb", b"x" * 257, b"\x1b[31m"])
def test_something_else_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "u"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"u holds no uuid .* remove it to have a new one made$"):
        stable_uuid(path)
    assert path.read_bytes() == content


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    not_text = tmp_path / "u"
    not_text.write_bytes(b"\xff\xfe")
    not_a_directory = not_text / "u"
    for path, reason in ((not_text, "not text"), (not_a_directory, "Not a directory"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigurationError, match=reason) as caught:
            stable_uuid(path)
        assert "\n" not in str(caught.value)
        assert "set FINDFACE_UUID instead" in str(caught.value)


def test_threads_that_start_together_agree(tmp_path: Path) -> None:
    path, barrier = tmp_path / "u", Barrier(8)

    def ask() -> str:
        barrier.wait(timeout=30)
        return stable_uuid(path)

    with ThreadPoolExecutor(8) as pool:
        answers = {future.result() for future in [pool.submit(ask) for _ in range(8)]}
    assert len(answers) == 1


def test_a_file_system_without_links_is_served_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "u"
    made = stable_uuid(path)
    assert stable_uuid(path) == made
    assert S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["u"]
