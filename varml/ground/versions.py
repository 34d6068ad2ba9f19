"""Versions of what is installed."""

from __future__ import annotations


def public_version(full: str) -> str:
    """Return a version without its local part: "2.13.0+cpu" names a build that the package index may not have."""
    return full.split("+")[0]
