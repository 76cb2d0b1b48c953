"""The dashboard's own files, served under ``/dashboard-assets/``: behind the door like every page.

They are read anew with every page (``no-store`` like all that is ours), so that a new version of vigia never runs an
old script.
"""

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

ASSETS_PATH: Final = "/dashboard-assets"
ASSETS_DIRECTORY: Final = Path(__file__).with_name("assets")


def add_assets(app: FastAPI) -> None:
    """Serve the files; before the dashboard's library takes every path that is left."""
    app.mount(ASSETS_PATH, StaticFiles(directory=ASSETS_DIRECTORY, check_dir=False), name="dashboard-assets")


def asset_url(name: str) -> str:
    """Where a browser finds a file of the folder.

    Raises:
        ValueError: there is no such file.
    """
    if not (ASSETS_DIRECTORY / name).is_file():
        raise ValueError(f"there is no file {name} among the dashboard's")
    return f"{ASSETS_PATH}/{name}"
