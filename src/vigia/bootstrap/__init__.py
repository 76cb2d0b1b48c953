"""The only place that wires: settings in, a system ready to run out.

Read ``system.py`` with ``application/ports.py`` to see how everything hangs together.
"""

from vigia.bootstrap.parts import camera_repository, detector_factory, findface_client, running_logger
from vigia.bootstrap.system import RunOptions, System

__all__ = ["RunOptions", "System", "camera_repository", "detector_factory", "findface_client", "running_logger"]
