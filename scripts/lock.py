"""Locks the dependencies: exact versions with hashes, for every supported Python, without any index address."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
UV = Path(sys.executable).with_name("uv")
COMMON = (
    "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header",
    "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", "--quiet", "--upgrade",
)  # fmt: skip


def lock(source: str, target: str, *options: str) -> None:
    """Compile one file; fail when an address got into it."""
    done = subprocess.run(  # noqa: S603 - our own tool, our own arguments
        [str(UV), *COMMON, *options, source], cwd=ROOT, check=True, capture_output=True, text=True
    )
    if "://" in done.stdout:
        raise SystemExit(f"{target}: an address got into the lock file")
    (ROOT / target).write_text(done.stdout, encoding="utf-8")


if __name__ == "__main__":
    lock("pyproject.toml", "requirements/lock.txt", "--all-extras")
    lock("requirements/offline-model.in", "requirements/offline-model.txt", "--no-deps")
    lock("requirements/tracking-peers.in", "requirements/tracking-peers.txt", "--no-deps")
