"""One module per use case; each is callable without a thread."""
