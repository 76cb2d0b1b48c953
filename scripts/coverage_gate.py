"""Fails when branch coverage of the domain and the application is under 90 %."""

import sys
from io import StringIO

from coverage import Coverage

LEAST_PERCENT = 90.0
PARTS = ("domain", "application")


def main() -> int:
    """Report both parts; return the exit code."""
    coverage = Coverage()
    coverage.load()
    code = 0
    for part in PARTS:
        percent = coverage.report(include=[f"*/vigia/{part}/*"], file=StringIO())
        print(f"branch coverage of vigia.{part}: {percent:.1f} % (at least {LEAST_PERCENT:.0f} %)")
        code |= percent < LEAST_PERCENT
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
