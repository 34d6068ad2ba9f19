"""Which precision trains faster here: bfloat16 wins on some machines and networks and loses on others."""

from __future__ import annotations

import time
from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from varml.config.params import Train
from varml.training.batches import Batch, Draw
from varml.training.processes import Precision, make_fabric
from varml.training.steps import make_steps

if TYPE_CHECKING:
    from lightning_fabric import Fabric

NUM_TIMED_STEPS = 2
# bfloat16 rounds to three digits; a gain within the noise of two steps is not worth it.
MIN_GAIN = 1.05
# What torch calls CPUs that have no bfloat16 in their vector units. Steps of timm's networks in it are 7 to 20 times
# slower there than in float32, so that trying it would take as long as an epoch.
WITHOUT_BFLOAT16 = {"AVX2", "NO AVX"}


def faster_precision(
    network: nn.Module, train: Train, weights: Tensor | None, draw: Draw, batch: Batch
) -> tuple[Precision, dict[Precision, float]]:
    """Return the precision in which ``network`` is trained faster, and the seconds of a step in each that was tried.

    Steps are taken on ``batch`` with a copy of ``network``, one that does not count and two that do, and the generators
    of torch are put back, so that nothing tells afterwards that they were. All processes of a launcher take part and
    agree on the answer of the first.
    """
    seconds: dict[Precision, float] = {}
    fabric = make_fabric("float32")
    for precision in fabric.broadcast(_tried(fabric)):
        devices = [] if fabric.device.type == "cpu" else [fabric.device]
        with torch.random.fork_rng(devices):
            seconds[precision] = _seconds(deepcopy(network), train, weights, draw, batch, precision)
    gains = "bf16" in seconds and seconds["float32"] >= MIN_GAIN * seconds["bf16"]
    faster: Precision = "bf16" if gains else "float32"
    return fabric.broadcast(faster), seconds


def _tried(fabric: Fabric) -> tuple[Precision, ...]:
    if fabric.device.type == "cpu" and torch.backends.cpu.get_cpu_capability() in WITHOUT_BFLOAT16:
        return ("float32",)
    return "float32", "bf16"


def _seconds(
    network: nn.Module, train: Train, weights: Tensor | None, draw: Draw, batch: Batch, precision: Precision
) -> float:
    fabric = make_fabric(precision)
    steps = make_steps(fabric, network.train(), train, num_steps=1 + NUM_TIMED_STEPS, groups=None, weights=weights)
    taken = []
    for _ in range(1 + NUM_TIMED_STEPS):
        start = time.perf_counter()
        steps.run([(draw, batch)])
        _finish(fabric)
        taken.append(time.perf_counter() - start)
    return min(taken[1:])


def _finish(fabric: Fabric) -> None:
    if fabric.device.type != "cpu":
        torch.accelerator.synchronize(fabric.device)
