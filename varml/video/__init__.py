"""From the bytes of a video to stored frames: gate, probe, readers, sampling, packed store."""
