"""Changing a YAML file as text, so that what a person wrote beside the data stays."""

from vigia.infrastructure.yaml_text.camera_list import CameraDocument, Edited, cameras_block, with_cameras

__all__ = ["CameraDocument", "Edited", "cameras_block", "with_cameras"]
