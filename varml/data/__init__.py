"""Labelled videos: scanning, labels, ingest, splits, the manifest, feature sets, the embedded sample."""
