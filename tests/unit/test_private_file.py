"""Files that are whole or not there, and for their owner's eyes only."""

from pathlib import Path

import pytest

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.private_file import write_private


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_file_is_private_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_private(path, b"x")
    assert (path.read_bytes(), mode(path), names(tmp_path)) == (b"x", 0o600, ["a"])


def test_the_mode_is_kept_where_asked(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_private(path, b"new", keep_mode=True)
    assert (path.read_bytes(), mode(path)) == (b"new", 0o640)
    write_private(path, b"newer")
    assert mode(path) == 0o600


def test_a_link_is_followed(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_bytes(b"old")
    link.symlink_to(real)
    write_private(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_a_file_that_is_there_is_not_replaced_unless_asked(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ConfigurationError, match="is there already"):
        write_private(path, b"new", replace=False)
    assert (path.read_bytes(), names(tmp_path)) == (b"old", ["a"])


@pytest.mark.parametrize("name", ["none/a", "a\0b"])
def test_where_nothing_can_be_written_it_says_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_private(tmp_path / name, b"x")
