"""What one file truly holds, by decoding it, and which reader gives its right frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from varml.config.params import Probe
from varml.errors import VideoError
from varml.video.fingerprint import Fingerprint, Fingerprinter
from varml.video.gate import check_is_video_file
from varml.video.reader import Frames, open_video
from varml.video.readers.pyav import decode, has_leading_frames, timestamps_of, upright_rgb

# Two decoders may convert colours with other rounding; frames of other content differ by more in the mean.
MAX_MEAN_DIFFERENCE = 1.0
NUM_SPOTS = 7
SEC_PER_MIB = 1.0
# Of frames that carry no time of their own.
FALLBACK_FPS = 25


@dataclass(frozen=True)
class VideoInfo:
    """What the manifest says of one readable video; width and height are those of the upright frame.

    ``fingerprint`` is a :class:`varml.video.fingerprint.Fingerprint` as text, and no column of the manifest.
    """

    num_frames: int
    fps: float
    duration_sec: float
    width: int
    height: int
    reader: str
    # Two of these are compared by what the manifest says.
    fingerprint: str = field(default="", repr=False, compare=False)


def probe_limit_sec(probe: Probe, size_bytes: int) -> float:
    """Return how long probing a file of that size may take: a base, and a share that grows with it."""
    return probe.timeout_sec + SEC_PER_MIB * size_bytes / 2**20


def probe_video(path: Path) -> VideoInfo:
    """Decode ``path`` and return what it holds.

    Raises VideoError with the reason where it cannot be read. Call it in a process that may be killed.
    """
    check_is_video_file(path)
    num_frames, damaged, fingerprint = _decode_all(path)
    spots = sorted({round(place) for place in np.linspace(0, num_frames - 1, NUM_SPOTS)})
    expected = [upright_rgb(frame) for index, frame in enumerate(decode(path)) if index in set(spots)]
    height, width = expected[0].shape[:2]
    fps, duration_sec = _timing(timestamps_of(path, num_frames))
    # decord is silently wrong where frames are shown before the key frame that they follow, and on damage.
    trusted = not damaged and not has_leading_frames(path) and _decord_agrees(path, num_frames, spots, expected)
    reader = "decord" if trusted else "pyav"
    return VideoInfo(num_frames, fps, duration_sec, width, height, reader, fingerprint.to_text())


def _decode_all(path: Path) -> tuple[int, bool, Fingerprint]:
    num_frames, damaged, sizes, fingerprinter = 0, False, set(), Fingerprinter()
    for frame in decode(path):
        fingerprinter.add(frame, frame.time if frame.time is not None else num_frames / FALLBACK_FPS)
        num_frames += 1
        damaged |= bool(frame.is_corrupt)
        sizes.add((frame.width, frame.height, frame.rotation))
    if num_frames == 0:
        raise VideoError("has no frame that can be decoded")
    if len(sizes) > 1:
        raise VideoError(f"its frame size changes on the way ({len(sizes)} sizes); encode it again with one size")
    return num_frames, damaged, fingerprinter.result()


def _timing(timestamps_sec: np.ndarray) -> tuple[float, float]:
    if len(timestamps_sec) == 1:
        return 0.0, 0.0
    frame_sec = float(np.median(np.diff(timestamps_sec)))
    duration_sec = float(timestamps_sec[-1]) + frame_sec
    return round(len(timestamps_sec) / duration_sec, 3), round(duration_sec, 3)


def _decord_agrees(path: Path, num_frames: int, spots: list[int], expected: list[Frames]) -> bool:
    try:
        frames = open_video(path, "decord", num_frames).read(spots)
    except VideoError:
        return False
    right = np.stack(expected).astype(np.int16) if len({f.shape for f in expected}) == 1 else None
    if right is None or frames.shape != right.shape:
        return False
    differences = np.abs(frames.astype(np.int16) - right).mean(axis=(1, 2, 3))
    return bool((differences <= MAX_MEAN_DIFFERENCE).all())
