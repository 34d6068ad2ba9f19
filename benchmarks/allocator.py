"""What it is worth that a process keeps the memory that it frees (:mod:`varml.ground.allocator`).

``python -m benchmarks.allocator`` lets two processes take turns, one that keeps it and one that gives it back as the
C library does by itself: a backbone that answers on one video, and training steps of its last stage and of all of it.
The weights are random, which takes as long.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from typing import Any

import torch

from benchmarks.interleaved import interleaved, rounds_arguments
from benchmarks.report import Figure, report
from varml.config.params import Unfreeze
from varml.ground.allocator import keep_freed_memory
from varml.ground.torchvision_shim import import_torchvision
from varml.models.backbones import RGB, Backbone
from varml.training.unfreezing import train_only, trained_parameters

BACKBONE, SIZE_PX, STEPS, CLIPS = "tf_efficientnet_lite0", 160, 12, 8
GOAL, KIB_A_MIB = 1.2, 1024


def main() -> None:
    """Measure and report."""
    arguments = rounds_arguments(__doc__)
    with _process(keeps=True) as keeping, _process(keeps=False) as giving_back:
        processes = {"kept": keeping, "given back": giving_back}
        figures = [one for name, work in WORK.items() for one in _compare(name, work, processes, arguments.rounds)]
    report(f"freed memory that is kept, {BACKBONE} at {SIZE_PX} px, one thread", figures, arguments.json)


def answer() -> None:
    """Compute the feature maps of the steps of one video."""
    with torch.inference_mode():
        _backbone().feature_map(torch.zeros(STEPS, RGB, SIZE_PX, SIZE_PX))


def step(what: Unfreeze) -> None:
    """Compute the gradients of a batch of videos, of the part of the backbone that ``what`` trains."""
    backbone = _backbone()
    train_only(backbone, trained_parameters(backbone, what))
    backbone.feature_map(torch.zeros(CLIPS * STEPS, RGB, SIZE_PX, SIZE_PX)).mean().backward()


WORK: dict[str, Callable[[], None]] = {
    "features of a video": answer,
    "a step of the last stage": partial(step, "last_stage"),
    "a step of all": partial(step, "all"),
}


def _compare(
    name: str, work: Callable[[], None], processes: dict[str, ProcessPoolExecutor], rounds: int
) -> list[Figure]:
    jobs: dict[str, Callable[[], object]] = {way: partial(_done, process, work) for way, process in processes.items()}
    taken = interleaved(jobs, rounds, time.perf_counter)
    peaks = {way: _done(process, _peak_mib) for way, process in processes.items()}
    return [
        *(Figure(f"{name}: {way}", seconds, "s") for way, seconds in taken.items()),
        Figure(f"{name}: speed with kept memory", taken["given back"] / taken["kept"], "times", GOAL, at_least=True),
        *(Figure(f"{name}: peak memory so far, {way}", mib, "MiB") for way, mib in peaks.items()),
    ]


def _done(process: ProcessPoolExecutor, work: Callable[[], Any]) -> Any:
    return process.submit(work).result()


def _process(*, keeps: bool) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"), initializer=_begin, initargs=(keeps,))


def _begin(keeps: bool) -> None:
    if keeps:
        keep_freed_memory()
    torch.set_num_threads(1)
    _backbone()


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_A_MIB


@cache
def _backbone() -> Backbone:
    import_torchvision()
    import timm

    network = timm.create_model(BACKBONE, num_classes=0)
    return Backbone(BACKBONE, network, (0.5,) * RGB, (0.5,) * RGB, SIZE_PX)


if __name__ == "__main__":
    main()
