"""What provisioning keeps on this machine."""

from vigia.infrastructure.provisioning.detector_file import DetectorFile, known_detectors

__all__ = ["DetectorFile", "known_detectors"]
