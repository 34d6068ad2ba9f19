"""Trainings that give the same weights whatever surrounds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch

from varml.ground.threads import one_thread


@contextmanager
def reproducible(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Run the block from ``seed``, and leave the generators of torch and all settings as they were.

    On the CPU it runs with deterministic kernels and in one thread, so that equal arguments give equal bits. A GPU has
    no such kernels for much of what a backbone needs; there the seed alone is fixed.
    """
    on_cpu = device is None or device.type == "cpu"
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    forked = [] if on_cpu else [device]
    with torch.random.fork_rng(forked), one_thread() if on_cpu else nullcontext():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(on_cpu)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)


def generator_of(purpose: str, *numbers: int) -> torch.Generator:
    """Return a generator that follows from ``purpose`` and ``numbers``; others have nothing to do with it."""
    entropy = [int.from_bytes(purpose.encode(), "big"), *numbers]
    return torch.Generator().manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))
