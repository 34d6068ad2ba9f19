"""Which trials are stopped before their end: the registered pruners, one file each."""

from varml.search.pruners.base import (
    Credits,
    Pruner,
    acting_pruner,
    canonical_pruner,
    make_pruner,
    pruner_of,
    pruners,
)

__all__ = ["Credits", "Pruner", "acting_pruner", "canonical_pruner", "make_pruner", "pruner_of", "pruners"]
