"""Where a version comes from: what is kept with its run, read back, and made again."""
