"""The registered flow estimators, one file each."""
