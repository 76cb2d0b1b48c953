"""Fakes that ship: used by the tests, the stand-in server and simulations; never by production code."""
