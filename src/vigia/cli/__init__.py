"""The command line: ``vigia run``, ``demo``, ``check``, ``cameras``, ``models``, ``findface-stub``.

Commands read options, ask the bootstrap for a system, and show what it does. Exit codes: 0 done, 1 failed, 2 usage or
configuration, 130 ended by a second Ctrl+C.
"""

from vigia.cli.app import app, main

__all__ = ["app", "main"]
