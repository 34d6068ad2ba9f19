"""Which videos are worth a second look as copies of each other, without comparing all with all.

Each moment of a video becomes a word of bits: the signs of how the picture changes there, how that change changes, and
of the picture itself. Words of copies differ in few bits. As in Charikar, "Similarity estimation techniques from
rounding algorithms", 2002, all words are sorted again and again, each time from another bit on, and each word is
compared with the few that follow it: what has many words in common stands together, and the work grows with the number
of words, however much the videos of one camera look alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from varml.video.fingerprint import MIRROR, Signature

Bits = npt.NDArray[np.bool_]  # (N, 60)
Words = npt.NDArray[np.uint64]  # (N,), the low 60 bits
Integers = npt.NDArray[np.int64]

NUM_BITS = 60
# How far apart the three moments are that make a word, in samples: a third of a second bridges what lies between two
# samples of a copy that begins at another moment.
SPAN = 3
# A change of less, in the mean over its numbers, is the coding's own noise.
LEAST_RMS_CHANGE = 4.0
ROTATION_STEP = 6
NUM_NEIGHBOURS = 4
MAX_DIFFERENT_BITS = 8
# One word in common can be chance.
LEAST_WORDS = 2

_ALL = np.uint64((1 << NUM_BITS) - 1)
# Frequencies that belong together should not stand together, where one sorting would rest on them alone.
_SHUFFLE = np.random.default_rng(0).permutation(NUM_BITS)


@dataclass(frozen=True)
class _Index:
    """All words, whose they are, and at which moment."""

    words: Words
    owners: Integers
    moments: Integers
    mirror: np.uint64
    num_owners: int
    num_moments: int


def similar_signatures(signatures: Iterable[Signature]) -> Integers:
    """Return (P, 3) int64: the places of two videos, the lower first, and 1 where one is to be mirrored."""
    return _pairs(_index([_words(signature) for signature in signatures], np.tile(MIRROR < 0, 3)))


def _words(signature: Signature) -> tuple[Integers, Words]:
    """Return the moments (N,) in samples and their words (N,)."""
    num = max(len(signature) - 2 * SPAN, 0)
    before, now, after = (signature[place : place + num] for place in (0, SPAN, 2 * SPAN))
    change = after - before
    moves = np.sqrt((change**2).mean(axis=1)) >= LEAST_RMS_CHANGE if num else np.zeros(0, bool)
    bits = np.concatenate([change > 0, before + after > 2 * now, now > 0], axis=1)
    return np.flatnonzero(moves), _packed(bits[moves])


def _index(found: Sequence[tuple[Integers, Words]], mirror: npt.NDArray[np.bool_]) -> _Index:
    owners = np.repeat(np.arange(len(found)), [len(moments) for moments, _ in found])
    words = np.concatenate([words for _, words in found]) if found else np.zeros(0, np.uint64)
    moments = np.concatenate([moments for moments, _ in found]) if found else owners
    return _Index(words, owners, moments, _packed(mirror[None])[0], len(found), int(moments.max(initial=0)) + 1)


def _packed(bits: Bits) -> Words:
    padded = np.zeros((len(bits), 64), np.uint8)
    padded[:, 64 - NUM_BITS :] = bits[:, _SHUFFLE]
    return np.packbits(padded, axis=1).view(">u8").ravel().astype(np.uint64)


def _pairs(index: _Index) -> Integers:
    """Return (P, 3): the pairs that have enough words in common, counted at different moments of the first."""
    meetings = np.concatenate([_meetings(index, rotation) for rotation in range(0, NUM_BITS, ROTATION_STEP)])
    meetings = _distinct(meetings)
    pairs, counts = np.unique(meetings // index.num_moments, return_counts=True)
    pairs, mirrored = np.divmod(pairs[counts >= LEAST_WORDS], 2)
    return np.stack([*np.divmod(pairs, index.num_owners), mirrored], axis=1)


def _meetings(index: _Index, rotation: int) -> Integers:
    """Return (M,): two videos, whether mirrored, and the moment of the first, in one number, where words meet."""
    words, mirror = _rotated(index.words, rotation), _rotated(np.array([index.mirror]), rotation)[0]
    # A word and its mirrored one are one entry: the first bit in which they differ is made 0.
    turned = (words >> np.uint64(int(mirror).bit_length() - 1)) & np.uint64(1)
    words ^= turned * mirror
    # Equal words stay in the order of their videos: the pairs found must not depend on the machine.
    order = np.argsort(words, kind="stable")
    words, flags = words[order], turned[order].astype(np.int64)
    found = [_following(index, words, flags, order, step) for step in range(1, NUM_NEIGHBOURS + 1)]
    return _distinct(np.concatenate(found))


def _distinct(numbers: Integers) -> Integers:
    # np.unique without counts hashes, which takes ten times as long as sorting.
    numbers.sort()
    return numbers[np.diff(numbers, prepend=-1) > 0]


def _following(index: _Index, words: Words, turned: Integers, order: Integers, step: int) -> Integers:
    near = np.flatnonzero(np.bitwise_count(words[:-step] ^ words[step:]) <= MAX_DIFFERENT_BITS)
    first, second, mirrored = order[near], order[near + step], turned[near] ^ turned[near + step]
    low = np.where(index.owners[first] < index.owners[second], first, second)
    owners, others = index.owners[low], index.owners[first + second - low]
    meetings = ((owners * index.num_owners + others) * 2 + mirrored) * index.num_moments + index.moments[low]
    return meetings[owners != others]


def _rotated(words: Words, places: int) -> Words:
    left, right = np.uint64(places), np.uint64(NUM_BITS - places)
    return ((words << left) | (words >> right)) & _ALL
