"""What everything stands on: paths, atomic writes, keys, registries, the engine. Knows nothing of video."""
