"""Finding cameras by ONVIF's WS-Discovery. Needs the extra ``onvif``; importing this folder does not."""
