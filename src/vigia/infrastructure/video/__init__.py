"""Video through PyAV (FFmpeg): sources, decoder, pictures, JPEG."""
