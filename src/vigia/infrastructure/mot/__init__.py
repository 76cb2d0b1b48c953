"""MOTChallenge text: detections, truth and results of multi-object tracking, one box a line."""

from vigia.infrastructure.mot.text import MotBoxes, MotFrames, format_mot, read_mot, read_mot_text

__all__ = ["MotBoxes", "MotFrames", "format_mot", "read_mot", "read_mot_text"]
