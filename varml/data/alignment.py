"""The second look at two signatures: at which moment of one does the other fit, and does it fit as copies do.

What is compared is the change from one sample to the next, so that a background which does not move says nothing; the
measure is the normalised correlation of all these changes over the time that both videos share, at each shift in
quarters of a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft

from varml.video.fingerprint import LEAST_SAMPLES, SAMPLES_PER_SEC, Signature

SHIFTS = (0.0, 0.25, 0.5, 0.75)
# What fits so badly at whole shifts does not fit between them.
WORTH_A_CLOSER_LOOK = 0.5
# Copies share at least two seconds, or nearly all of the shorter one.
LEAST_SHARED = 2 * SAMPLES_PER_SEC
LEAST_SHARE = 0.85
# Planted copies of UT-Interaction reach 0.867 and more.
LEAST_FIT = 0.8
# A short piece fits by chance more often: below this many samples more is asked for, up to the second figure.
SHORT = 15
VERY_SHORT = 5
LEAST_FIT_SHORT = 0.93
# Videos that fit from beginning to end, but for some samples at the ends, need less.
LEAST_FIT_WHOLE = 0.75
WHOLE_TOLERANCE = 4
# Copies show the same picture, too: the correlation of their mean pictures, 0.998 and more for copies of real videos.
# Drawn shapes that move alike before one background reach 0.99.
LEAST_LIKENESS = 0.995
# A motion that repeats itself fits at several times; then nothing but a near-perfect fit tells a copy.
RIVAL_DISTANCE = 0.35 * SAMPLES_PER_SEC
LEAST_LEAD = 0.2
NEAR_PERFECT = 0.93

Vector = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class _Fits:
    """The fit at each shift of the second signature against the first, and how many changes they share there."""

    shifts: Vector
    fits: Vector
    shared: npt.NDArray[np.integer[Any]]


def are_copies(first: Signature, second: Signature) -> bool:
    """Return whether ``first`` (T, D) and ``second`` (U, D), moved in time, show the same wherever both show something.

    So one begins or ends inside the other, or lies in it whole; the same scene between two other ones is not found.
    """
    if min(len(first), len(second)) < LEAST_SAMPLES:
        return False
    # In single precision what remains of the motion of long videos drowns the fit of their quiet parts.
    first, second = first.astype(np.float64), second.astype(np.float64)
    needed = min(LEAST_SHARED, int(LEAST_SHARE * (min(len(first), len(second)) - 1)))
    if _all_fits(first, second, needed, SHIFTS[:1]).fits.max(initial=-1) < WORTH_A_CLOSER_LOOK:
        return False
    fits = _all_fits(first, second, max(needed // 2, 1))
    for place in (_whole(fits, max(len(first), len(second))), _part(fits, needed)):
        if place is not None and _likeness(first, second, round(fits.shifts[place])) >= LEAST_LIKENESS:
            return True
    return False


def _whole(fits: _Fits, length: int) -> int | None:
    """Return where the videos fit from beginning to end, or None: by chance they seldom do so in step."""
    places = np.flatnonzero((np.abs(fits.shifts) <= 1) & (fits.shared >= length - WHOLE_TOLERANCE))
    best = _best(fits, places)
    return best if best is not None and fits.fits[best] >= LEAST_FIT_WHOLE else None


def _part(fits: _Fits, needed: int) -> int | None:
    """Return where a part of one video fits the other, at this time alone, or None."""
    best = _best(fits, np.flatnonzero(fits.shared >= needed))
    if best is None or fits.fits[best] < least_fit(int(fits.shared[best])):
        return None
    rival = fits.fits[np.abs(fits.shifts - fits.shifts[best]) >= RIVAL_DISTANCE].max(initial=-1)
    return best if fits.fits[best] >= NEAR_PERFECT or fits.fits[best] - rival >= LEAST_LEAD else None


def _best(fits: _Fits, places: npt.NDArray[np.integer[Any]]) -> int | None:
    return int(places[fits.fits[places].argmax()]) if len(places) else None


def least_fit(num_shared: int) -> float:
    """Return what two videos that share so many changes must reach."""
    return float(np.interp(num_shared, (VERY_SHORT, SHORT), (LEAST_FIT_SHORT, LEAST_FIT)))


def _all_fits(first: Signature, second: Signature, least_shared: int, parts: Sequence[float] = SHIFTS) -> _Fits:
    rows = [_fits(np.diff(first, axis=0), np.diff(_later(second, part), axis=0), part) for part in parts]
    shifts, fits, shared = (np.concatenate(column) for column in zip(*rows, strict=True))
    kept = shared >= least_shared
    return _Fits(shifts[kept], fits[kept], shared[kept])


def _later(signature: Signature, part: float) -> Signature:
    """Return the signature sampled a part of a sample later."""
    return signature if part == 0 else (1 - part) * signature[:-1] + part * signature[1:]


def _fits(first: Signature, second: Signature, part: float) -> tuple[Vector, Vector, npt.NDArray[np.integer[Any]]]:
    """Return shift, fit and number of shared rows for each whole shift of ``second`` against ``first``."""
    length, other = len(first), len(second)
    shifts = np.arange(1 - other, length)
    starts, other_starts = np.maximum(shifts, 0), np.maximum(-shifts, 0)
    shared = np.minimum(length - starts, other - other_starts)
    energy, other_energy = (np.concatenate([[0], np.cumsum((rows**2).sum(axis=1))]) for rows in (first, second))
    energies = energy[starts + shared] - energy[starts]
    other_energies = other_energy[other_starts + shared] - other_energy[other_starts]
    fits = _correlation(first, second)[shifts] / np.sqrt(np.maximum(energies * other_energies, 1))
    return shifts - part, fits, shared


def _correlation(first: Signature, second: Signature) -> Vector:
    """Return the sum of all products at each shift; a negative shift counts from the end, as indices do."""
    size = next_fast_len(len(first) + len(second) - 1, real=True)
    spectrum, other = rfft(first, size, axis=0), rfft(second, size, axis=0)
    return np.asarray(irfft((spectrum * other.conj()).sum(axis=1), size))


def _likeness(first: Signature, second: Signature, shift: int) -> float:
    start, other_start = max(shift, 0), max(-shift, 0)
    shared = min(len(first) - start, len(second) - other_start)
    mean, other = (s[o : o + shared].mean(axis=0) for s, o in ((first, start), (second, other_start)))
    return float(mean @ other / max(float(np.linalg.norm(mean) * np.linalg.norm(other)), 1))
