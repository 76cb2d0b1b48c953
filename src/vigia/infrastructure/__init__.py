"""One folder per technology, each behind a port of the application. Adapters do not know each other."""
