"""``vigia bench``: every claim of speed, measured beside a named baseline in the same run.

A benchmark is a function from a ``BenchContext`` to a ``BenchResult`` (``result.py``), listed in ``registry.py``. Each
runs in a process of its own (``runner.py``), so that none inherits another's memory, threads or log. What was promised
is in ``promises.py``; a benchmark says what became of its promises, the last table holds them all.

Absolute figures do not repeat on another day or machine; ratios within one run nearly do.
"""
