"""A corpus of strange videos, made by FFmpeg and by hand, whose every frame says its own index."""
