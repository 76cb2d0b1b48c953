"""The web server of a run: log-in, sessions, actions, what pages read, ``/metrics``. A page has nothing of its own to
guard: ``access.py`` stands before every route.
"""
