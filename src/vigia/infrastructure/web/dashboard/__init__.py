"""The dashboard: pages of NiceGUI over what the run tells, behind the door."""
