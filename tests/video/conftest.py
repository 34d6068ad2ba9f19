"""Generated videos that the readers' tests share: frames say their own index."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from videos import write_barcodes

LONG_GOP = {"bf": "3", "g": "250", "x264-params": "scenecut=0"}
NUM_FRAMES = 40


@pytest.fixture(scope="session")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Videos of 40 frames by what is special about them."""
    folder = tmp_path_factory.mktemp("encoded")
    mpeg4 = {"q:v": "2", "g": "12"}
    return {
        "10 fps": write_barcodes(folder / "ten.mp4", NUM_FRAMES, 10, options=LONG_GOP),
        "29.97 fps": write_barcodes(folder / "ntsc.mp4", NUM_FRAMES, Fraction(30000, 1001), options=LONG_GOP),
        "60 fps": write_barcodes(folder / "sixty.mp4", NUM_FRAMES, 60, options=LONG_GOP),
        "short GOP": write_barcodes(folder / "short_gop.mp4", NUM_FRAMES, 25, options={"bf": "0", "g": "5"}),
        "matroska": write_barcodes(folder / "video.mkv", NUM_FRAMES, 25, options=LONG_GOP),
        "uneven": write_barcodes(
            folder / "uneven.mp4", NUM_FRAMES, 10, times=[100 * i + 40 * (i % 3) for i in range(NUM_FRAMES)]
        ),
        "avi": write_barcodes(folder / "plain.avi", NUM_FRAMES, 25, codec="mpeg4", options={**mpeg4, "bf": "0"}),
        "avi with B-frames": write_barcodes(
            folder / "b_frames.avi", NUM_FRAMES, 25, codec="mpeg4", options={**mpeg4, "bf": "2"}
        ),
        "open GOP": write_barcodes(
            folder / "open_gop.mp4", NUM_FRAMES, 25,
            options={"bf": "3", "g": "10", "x264-params": "open-gop=1:scenecut=0"},
        ),
        "transport stream": write_barcodes(
            folder / "stream.ts", NUM_FRAMES, 25, container="mpegts", options=LONG_GOP
        ),
        "program stream": write_barcodes(
            folder / "program.mpg", NUM_FRAMES, 25, codec="mpeg2video", container="mpeg", options={"bf": "2", "g": "12"}
        ),
    }  # fmt: skip
