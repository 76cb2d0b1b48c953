"""Processes beside vigia: ending with one's parent, starting and stopping a child."""
