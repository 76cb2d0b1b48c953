#!/usr/bin/env python3
"""Runs vigia with config.yaml and .env of the working directory: the same as ``vigia run``."""

import sys

from vigia.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
