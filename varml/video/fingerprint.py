"""What is kept of a video's pictures to find its copies: a signature of how they change.

A signature is the two-dimensional DCT of small grey pictures, a few times a second, its low frequencies alone, after
Coskun, Sankur and Memon, "Spatio-temporal transform based video hashing", 2006, and the pHash of pictures (Zauner,
"Implementation and benchmarking of perceptual image hash functions", 2010). Numbers are kept in place of pHash's
signs, because two videos of one camera differ in what moves alone: the difference of two pictures shows the motion and
no background, and a mirrored picture changes the sign of half of its numbers and nothing else. With pHash's signs the
threshold that finds 48 of 50 planted copies of UT-Interaction takes 2,983 wrong pairs for copies among 60 gestures of
one person and 50 copies of them; with these numbers 50 are found in UT-Interaction, and no pair is wrong in either.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation, VideoReformatter
from scipy.fft import dct

from varml.video.orientation import Orientation, orientation_of

SAMPLES_PER_SEC = 10
THUMBNAIL_PX = 32
# Frequencies u + v from 1 to this one; the mean brightness, 0, is left out.
HIGHEST_FREQUENCY = 5
# A shorter video has too little motion to tell it from another, and so has a picture that changes by less grey levels:
# every empty scene of one camera looks alike, and is no copy for that.
LEAST_SAMPLES = 8
LEAST_CHANGE = 6
# What lies beyond is not compared; it bounds the memory of one strange file.
MAX_SAMPLES = 600 * SAMPLES_PER_SEC
TIME_TOLERANCE_SEC = 1e-6
# A longer gap between two frames shows the first one standing still, not a slow change into the second.
LONGEST_BLEND_SEC = 0.25

Signature = npt.NDArray[np.float32]  # (T, D), T samples a tenth of a second apart
Pictures = npt.NDArray[np.uint8]  # (..., 32, 32), grey

_U, _V = np.mgrid[: HIGHEST_FREQUENCY + 1, : HIGHEST_FREQUENCY + 1]
_KEPT = (_U + _V > 0) & (_U + _V <= HIGHEST_FREQUENCY)
# A picture's amplitudes fall with the frequency; equal weights would leave the lowest ones to speak alone.
_WEIGHTS = (_U + _V)[_KEPT].astype(np.float32)
_COSINES = dct(np.eye(THUMBNAIL_PX, dtype=np.float32), axis=0, norm="ortho")[: HIGHEST_FREQUENCY + 1]
# What a mirrored picture multiplies its numbers with: cosines with an odd frequency across change their sign.
MIRROR = np.where(_V[_KEPT] % 2, -1, 1).astype(np.float32)  # (D,)
# Sixteen bits: in eight a title card leaves hardly a step to the small motion beside it.
_LEVELS = np.iinfo(np.int16).max


def to_text(signature: Signature) -> str:
    """Return a signature (T, D) as ASCII, about 540 characters a second; it keeps 16 bits of each number."""
    if not len(signature):
        return ""
    mean = signature.mean(axis=0)
    step = max(float(np.abs(signature - mean).max()) / _LEVELS, np.finfo(np.float32).tiny)
    steps = np.rint((signature - mean) / step).astype(np.int16)
    head = np.array([step, *mean], np.float32)
    return b64encode(head.tobytes() + steps.tobytes()).decode()


def from_text(text: str) -> Signature:
    """Return the signature that :func:`to_text` wrote."""
    if not text:
        return np.zeros((0, len(MIRROR)), np.float32)
    data = b64decode(text)
    head = np.frombuffer(data[: 4 * (len(MIRROR) + 1)], np.float32)
    steps = np.frombuffer(data[head.nbytes :], np.int16).reshape(-1, len(MIRROR))
    return np.asarray(head[1:] + head[0] * steps, np.float32)


class Fingerprinter:
    """Takes a small picture of some of the frames that a decoder yields, and makes a signature of them."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._pictures: list[Pictures] = []
        self._times_sec: list[float] = []
        self._due_sec = -np.inf
        self._orientation = Orientation()

    def add(self, frame: Any, time_sec: float) -> None:
        """Look at one ``av.VideoFrame`` shown at ``time_sec``; frames come in order of presentation."""
        if time_sec < self._due_sec:
            return
        if self._pictures and time_sec - self._times_sec[0] >= MAX_SAMPLES / SAMPLES_PER_SEC:
            self._due_sec = np.inf
            return
        if not self._pictures:
            # A video has one orientation; to ask each frame would cost as much as to scale it.
            self._orientation = orientation_of(frame)
        # One thread: to hand such a small picture to others takes longer than the work.
        small = self._reformatter.reformat(
            frame, THUMBNAIL_PX, THUMBNAIL_PX, "gray", interpolation=Interpolation.AREA, threads=1
        )
        self._pictures.append(np.asarray(small.to_ndarray(), np.uint8))
        self._times_sec.append(time_sec)
        # One frame for each tenth of a second. Times that differ by rounding alone must choose the same frames.
        start_sec = self._times_sec[0] - TIME_TOLERANCE_SEC
        ticks = int((time_sec - start_sec) * SAMPLES_PER_SEC) + 1
        self._due_sec = start_sec + ticks / SAMPLES_PER_SEC

    def result(self) -> Signature:
        """Return the signature, without rows where the video is too short or nothing moves in it."""
        if not self._pictures:
            return from_text("")
        pictures = self._orientation.apply(np.stack(self._pictures, axis=-1)).transpose(2, 0, 1)  # (N, 32, 32)
        signature = _on_grid(np.array(self._times_sec), _frequencies(pictures))
        moves = len(signature) >= LEAST_SAMPLES and np.ptp(pictures, axis=0).max() >= LEAST_CHANGE
        return signature if moves else signature[:0]


def stretched(signature: Signature, factor: float) -> Signature:
    """Return the signature of the same video played ``factor`` times as slowly."""
    return _on_grid(np.arange(len(signature)) * factor / SAMPLES_PER_SEC, signature)


def _frequencies(pictures: Pictures) -> Signature:
    """Return the weighted low frequencies of ``pictures`` (N, 32, 32) as (N, D)."""
    return (_COSINES @ (pictures.astype(np.float32) @ _COSINES.T))[:, _KEPT] * _WEIGHTS


def _on_grid(times_sec: npt.NDArray[np.float64], values: Signature) -> Signature:
    """Return ``values`` (N, D), shown at ascending ``times_sec`` (N,), at each tenth of a second from the first on."""
    if len(values) == 1:
        return values
    seconds = times_sec - times_sec[0]
    ticks_sec = np.arange(int(seconds[-1] * SAMPLES_PER_SEC + 1e-6) + 1) / SAMPLES_PER_SEC
    before = np.clip(np.searchsorted(seconds, ticks_sec + 1e-9, side="right") - 1, 0, len(values) - 2)
    gaps_sec = np.diff(seconds)[before]
    share = np.clip((ticks_sec - seconds[before]) / gaps_sec, 0, 1)
    share[(gaps_sec > LONGEST_BLEND_SEC) & (share < 1)] = 0
    share = share.astype(np.float32)[:, None]
    return (1 - share) * values[before] + share * values[before + 1]
