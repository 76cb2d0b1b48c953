"""House rules that no linter knows: sizes, and that nothing is in the tree that must not be.

Modules stay under 400 lines, functions under 70; no index address, no weights, no large video.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
FILE_BYTES_MAX = 1_000_000
INDEX = re.compile(r"https?://[\w.-]*(?:pypi|pythonhosted|npmjs|deb\.debian)\.", re.IGNORECASE)
WEIGHTS = {".onnx", ".pt", ".tflite", ".engine"}


def tracked() -> list[Path]:
    """The files that git knows, and new ones that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607 - git as the user has it
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def breaches(path: Path) -> list[str]:
    """What is wrong with one file."""
    name = path.relative_to(ROOT)
    found = []
    if path.stat().st_size > FILE_BYTES_MAX:
        found.append(f"{name}: {path.stat().st_size} bytes")
    if path.suffix in WEIGHTS:
        found.append(f"{name}: model weights are not committed")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return found
    if INDEX.search(text) and name.parts[0] != "scripts":
        found.append(f"{name}: names a package index")
    if path.suffix == ".py" and name.parts[0] == "src":
        lines = text.count("\n") + 1
        if lines > MODULE_LINES_MAX:
            found.append(f"{name}: {lines} lines, at most {MODULE_LINES_MAX}")
        found += [
            f"{name}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES_MAX}"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
        ]
    return found


def main() -> int:
    """Print every breach; return the exit code."""
    found = [breach for path in tracked() for breach in breaches(path)]
    for breach in found:
        print(breach)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
