"""``python -m vigia``."""

import sys

from vigia.cli import main

if __name__ == "__main__":  # worker processes import this module under another name
    sys.exit(main())
