"""The doctor: looks at an installation from every side that a run depends on, and says what to do.

``examine`` is the way in. What may be said is in ``kinds_*.py``, one module for each side; the looks are beside them.
Each look gives findings and raises nothing; each has a limit, kept by ``bounded.py``.
"""

from vigia.bootstrap.doctor.examination import examine
from vigia.bootstrap.doctor.patient import Origins, Patient

__all__ = ["Origins", "Patient", "examine"]
