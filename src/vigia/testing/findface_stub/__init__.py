"""A stand-in for FindFace Multi 2.1: the calls that vigia needs, with the checks and the refusals of the real one.

It needs the extra ``stub``. Start it with :func:`run_stub` (a process) or :class:`StubServer` (beside a test). It keeps
what it receives in a directory and shows it on a page at ``/``; ``/_stub/stats`` and ``/_stub/events`` tell the same as
JSON, ``/_stub/faults`` what went wrong on purpose. It is for tests and demonstrations: it recognises nobody.
"""

from vigia.testing.findface_stub.app import create_app
from vigia.testing.findface_stub.context import FindFaces
from vigia.testing.findface_stub.database import StubDatabase
from vigia.testing.findface_stub.fault_scenario import FaultRule, FaultScenario, load_scenario
from vigia.testing.findface_stub.faults import ADD_EVENT_PATH
from vigia.testing.findface_stub.server import StubServer, roi_as_face, run_stub
from vigia.testing.findface_stub.settings import StubCamera, StubGroup, StubSettings, load_settings, seed_cameras

__all__ = [
    "ADD_EVENT_PATH",
    "FaultRule",
    "FaultScenario",
    "FindFaces",
    "StubCamera",
    "StubDatabase",
    "StubGroup",
    "StubServer",
    "StubSettings",
    "create_app",
    "load_scenario",
    "load_settings",
    "roi_as_face",
    "run_stub",
    "seed_cameras",
]
