"""Demo cameras: clips of real faces moving before real backgrounds, with exact ground truth.

:func:`generate_clips` is all that production needs; :func:`plan_clip` gives the truth without drawing anything.
"""

from vigia.infrastructure.demo.clips import DemoClip, generate_clips
from vigia.infrastructure.demo.plan import plan_clip
from vigia.infrastructure.demo.spec import DemoSpec, camera_name
from vigia.infrastructure.demo.truth_file import load_truth

__all__ = ["DemoClip", "DemoSpec", "camera_name", "generate_clips", "load_truth", "plan_clip"]
