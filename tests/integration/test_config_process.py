"""The settings as a process of its own meets them: working directory, environment, several starts at once."""

import os
import subprocess
import sys
from pathlib import Path

SECRET = "hunter2"

TELL = """
from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config import load_settings, stable_uuid
try:
    settings = load_settings()
except ConfigurationError as error:
    raise SystemExit(str(error))
print(settings.language, settings.detector.min_face_px, settings.findface.user, stable_uuid(settings.uuid_file))
print(settings.redacted_dump())
"""


def start(directory: Path, **environ: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIGIA_", "FINDFACE_"))}
    return subprocess.Popen(
        [sys.executable, "-c", TELL],
        cwd=directory,
        env={**kept, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_first_start_of_several_processes(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("language: en\ndetector: {min_face_px: 60}\n", encoding="utf-8")
    (tmp_path / ".env").write_text(f"FINDFACE_USER=ana\nFINDFACE_PASSWORD={SECRET}\n", encoding="utf-8")
    running = [start(tmp_path, VIGIA_DETECTOR__MIN_FACE_PX="70") for _ in range(3)]
    told = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    answers = {out.splitlines()[0] for out, _err in told}
    kept = (tmp_path / "data" / "findface-uuid").read_text(encoding="utf-8").strip()
    assert answers == {f"en 70.0 ana {kept}"}
    assert all(SECRET not in out + err for out, err in told)


def test_mistakes_are_lines_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"langage: en\nfindface: {{password: [{SECRET}]}}\n", encoding="utf-8")
    process = start(tmp_path, FINDFACE_URL=f"https:/ana:{SECRET}@face")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert out == ""
    assert err.splitlines() == [
        "config.yaml, line 1: unknown key langage; did you mean language?",
        "config.yaml, line 2: findface.password must be text of 1 to 1024 characters, not ***",
        "FINDFACE_URL: findface.url must begin with http:// or https://",
    ]
