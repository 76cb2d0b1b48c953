"""vigia: finds every face on many cameras and delivers the best shot of each passage to FindFace Multi."""

__version__ = "0.1.0"
