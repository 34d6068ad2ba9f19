"""What a search tries first: the values of params.yaml, the plain baseline, and each other choice by itself.

One factor at a time from a known point, as a careful person would try them by hand: in a space of few choices the
sampler has then seen each of them once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

from varml.config.space import Choices, Dimension, active_values
from varml.search.terms import Values

# As near as a trained recogniser comes to logistic regression on the mean features of both streams.
PLAIN_BASELINE: Values = {"model.fusion": "concat", "model.pooling": "mean", "model.attention.depth": 0}
# More than these are left to the sampler. It does not depend on the number of trials, which may grow in mid-search.
MAX_TRIALS = 10


def first_wave(own: Values, dimensions: Mapping[str, Dimension], tried: Sequence[Values] = ()) -> list[Values]:
    """Return what is tried first, by params path, at most :data:`MAX_TRIALS`: the ``own`` values before all.

    After the plain baseline come the own values with one of them changed: to each other choice, or to an end of a range
    of whole numbers. The dimensions take turns, so that a wave that is cut off has something of each. Fractions are the
    sampler's, as is a value that its own dimension does not offer. Where some have been ``tried`` already, only those
    are left that have a value which none of them had.
    """
    alone = [
        [_changed(own, dimensions, path, value) for value in _others(own, path, dimension)]
        for path, dimension in dimensions.items()
    ]
    turns = chain.from_iterable(zip_longest(*alone))
    wave = [own, {**own, **_offered(PLAIN_BASELINE, dimensions)}, *filter(None, turns)]
    offered = _distinct([_offered(values, dimensions) for values in wave])
    known = {pair for values in tried for pair in values.items()}
    return [values for values in offered if not tried or values.items() - known][:MAX_TRIALS]


def _others(own: Values, path: str, dimension: Dimension) -> list[Any]:
    values = dimension.samples()
    if not isinstance(dimension, Choices):
        values = [values[0], values[-1]] if dimension.type == "int" else []
    return [value for value in values if value != own[path]]


def _changed(own: Values, dimensions: Mapping[str, Dimension], path: str, value: Any) -> Values:
    """Return ``own`` with ``value`` at ``path``, and with what its dimension's conditions want, or it would be idle."""
    wanted = dimensions[path].when.items()
    return dict(chain(own.items(), *(_changed({}, dimensions, *one).items() for one in wanted), [(path, value)]))


def _offered(values: Values, dimensions: Mapping[str, Dimension]) -> Values:
    # What a space does not have is not active either.
    active = active_values(values, dimensions)
    return {path: value for path, value in active.items() if dimensions[path].offers(value)}


def _distinct(wave: list[Values]) -> list[Values]:
    return [values for number, values in enumerate(wave) if values not in wave[:number]]
