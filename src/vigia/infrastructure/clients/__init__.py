"""Clients of FindFace Multi: the wire, two transports, the session, and the ports they serve."""
