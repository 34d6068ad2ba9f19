"""stub"""

from __future__ import annotations

from pathlib import Path


def numbered_images(folder: Path) -> list[Path]:
    """x"""
    return sorted(folder.iterdir())
