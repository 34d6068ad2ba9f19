"""The registered readers, one file each."""
