"""Traces of captures' lives. Needs the extra ``otel``; importing this folder does not."""
