"""Optuna says of much that it may still change; its versions are pinned from below."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna


@contextmanager
def experimental() -> Iterator[None]:
    """Keep Optuna from saying so in the block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
