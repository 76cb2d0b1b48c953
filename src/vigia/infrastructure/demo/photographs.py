"""The photographs that the demo cameras are made of: where they lie, and how they are read.

All are in the public domain or CC0: two portraits by NASA and by the United States Navy, and photographs of walls,
floors and skies from scikit-image's data folder. They ship inside two packages, which are found but never imported.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

from vigia.application.errors import ConfigurationError

Rgb = NDArray[np.uint8]
"""uint8 (height, width, 3)."""

_SKIMAGE = ("skimage", "data")
_MATPLOTLIB = ("matplotlib", "mpl-data/sample_data")
_PLACES = {
    "astronaut": (*_SKIMAGE, "astronaut.png"),  # Eileen Collins, NASA, public domain
    "grace_hopper": (*_MATPLOTLIB, "grace_hopper.jpg"),  # Grace Hopper, US Navy, public domain
    "brick": (*_SKIMAGE, "brick.png"),  # CC0Textures, CC0
    "gravel": (*_SKIMAGE, "gravel.png"),  # CC0Textures, CC0
    "grass": (*_SKIMAGE, "grass.png"),  # linolafett, CC0
    "coffee": (*_SKIMAGE, "coffee.png"),  # Rachel Michetti, CC0
    "rocket": (*_SKIMAGE, "rocket.jpg"),  # SpaceX, released into the public domain
}


def photograph_path(name: str) -> Path:
    """Where the photograph called ``name`` lies.

    Raises:
        ConfigurationError: its package is not installed, or does not hold the file.
    """
    package, folder, file_name = _PLACES[name]
    found = find_spec(package)
    for root in (found.submodule_search_locations or ()) if found is not None else ():
        path = Path(root, folder, file_name)
        if path.is_file():
            return path
    raise ConfigurationError(
        "the demo cameras need the photograph %(file)s, which is not installed: pip install 'vigia[demo]'",
        file=file_name,
    )


def require_photographs() -> None:
    """Check that every photograph is there. Raises ConfigurationError."""
    for name in _PLACES:
        photograph_path(name)


@cache
def load_photograph(name: str) -> Rgb:
    """Read one photograph, uint8 (height, width, 3); read-only, kept for the next caller.

    Raises:
        ConfigurationError: missing or damaged.
    """
    path = photograph_path(name)
    try:
        with av.open(str(path)) as container:
            pixels = cast("Rgb", next(container.decode(video=0)).to_ndarray(format="rgb24"))
    except (av.FFmpegError, OSError, StopIteration) as error:
        raise ConfigurationError("the photograph %(file)s cannot be read", file=path.name) from error
    pixels.setflags(write=False)
    return pixels
