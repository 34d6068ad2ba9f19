"""The training loop against one written by hand, for cached features and for pixels, and what it takes of memory.

``python -m benchmarks.train`` lets both loops take turns with the same networks and batches, which lie in memory, and
takes medians. The setup of a training, which a search pays for every fold of every trial, is within its time. Where
there is a GPU it also measures bfloat16 against float32 there, and how long the GPU waits for clips.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.bare_loop import RandomBatch, bare_loop
from benchmarks.interleaved import interleaved
from benchmarks.report import Figure, report
from varml.config import load_params
from varml.config.params import Model, Train
from varml.config.views import PLAIN
from varml.data.dataset import FeatureSet
from varml.models.backbones import build_backbone
from varml.models.recognizer import Recognizer
from varml.training.batches import Batch, Draw, StoredFeatures, draw_batches, num_batches, stream_tensors
from varml.training.loop import fit, train_network
from varml.training.processes import local_fabric, make_fabric
from varml.training.reproducible import reproducible

Jobs = dict[str, Callable[[], object]]
ROOT = Path(__file__).resolve().parents[1]
ROUNDS, GOAL, MIB = 7, 0.9, 1024
# As large as the embedded sample's features of train and val.
NUM_VIDEOS, NUM_CLASSES, NUM_STEPS, DIM = 96, 6, 8, 1280
BACKBONE, SIZE_PX, NUM_CLIPS, CLIPS_A_STEP, FRAMES_A_CLIP = "mobilenetv3_small_100", 160, 16, 4, 4
GPU_CLIPS, GPU_CLIPS_A_STEP = 512, 32


def main() -> None:
    """Measure and report."""
    arguments = _arguments()
    figures = [*measure("cached features", CACHED), *measure("pixels", PIXELS), *measure_gpu()]
    report("training: our loop against a bare one, one thread", figures, arguments.json)


def measure(name: str, jobs: Jobs) -> list[Figure]:
    """Return the seconds of both loops, how they compare, and the peak memory of a process that runs one of them."""
    torch.set_num_threads(1)
    taken = interleaved(jobs, ROUNDS)
    memory = {loop: _peak_mib(job) for loop, job in jobs.items()}
    return [
        *(Figure(f"{name}: a training, {loop}", seconds, "s") for loop, seconds in taken.items()),
        Figure(f"{name}: speed of ours against the bare one", taken["bare"] / taken["ours"], "times", GOAL, True),
        *(Figure(f"{name}: peak memory, {loop}", mib, "MiB") for loop, mib in memory.items()),
    ]


# Cached features.


def _features() -> FeatureSet:
    rng = np.random.default_rng(0)
    shape = (NUM_VIDEOS, NUM_STEPS, 4, DIM)
    features = {stream: rng.normal(size=shape).astype(np.float16) for stream in ("rgb", "flow")}
    names = [str(number) for number in range(NUM_VIDEOS)]
    labels = np.arange(NUM_VIDEOS, dtype=np.int64) % NUM_CLASSES
    return FeatureSet(names, {PLAIN: features}, labels, names, [str(k) for k in range(NUM_CLASSES)])


def _shipped() -> tuple[Model, Train]:
    params = load_params(ROOT / "params.yaml")
    return params.model, params.train


def our_cached() -> None:
    """Train the shipped recogniser as a trial does, without validation."""
    model, train = _shipped()
    fit(_features(), model, train, seed=0)


def bare_cached() -> None:
    """Train it by hand."""
    model, train = _shipped()
    data = _features()
    with reproducible(0):
        network = Recognizer(
            model, dim=DIM, num_steps=data.num_steps, num_cells=data.num_cells, num_classes=NUM_CLASSES
        )
        network.fit_standardisation(stream_tensors(data, PLAIN, network.streams))
        labels = torch.from_numpy(data.labels)
        source = StoredFeatures(data).batches(draw_batches(labels, train, 0), network.streams)
        of_epoch = num_batches(NUM_VIDEOS, train)
        epochs = ([next(source) for _ in range(of_epoch)] for _ in range(train.num_epochs))
        bare_loop(network, epochs, train.num_epochs * of_epoch, train)


# Pixels.


class PixelNetwork(nn.Module):
    """A timm network with random weights over the frames of a clip, whose mean is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = build_backbone(BACKBONE, SIZE_PX, None)
        self.head = nn.Linear(self.backbone.dim, NUM_CLASSES)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Return logits (B, K) of frames (B, T, 3, s, s) from 0 to 1."""
        frames = inputs["rgb"]
        features = self.backbone(frames.flatten(0, 1)).mean((-2, -1))  # (B * T, D)
        return self.head(features.unflatten(0, frames.shape[:2]).mean(1))


class PixelSource:
    """The same clips of noise at every draw, or rows of them."""

    def __init__(self, num_clips: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.clips = torch.rand(num_clips, FRAMES_A_CLIP, 3, SIZE_PX, SIZE_PX, generator=generator)
        self.labels = torch.arange(num_clips) % NUM_CLASSES

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        """Yield the batch of each draw."""
        for draw in draws:
            yield Batch({"rgb": self.clips[draw.own_positions]}, self.labels[draw.own_positions])


def _pixel_train(num_epochs: int, batch_size: int) -> Train:
    return _shipped()[1].model_copy(update={"num_epochs": num_epochs, "batch_size": batch_size})


def our_pixels() -> None:
    """Train on pixels with our loop."""
    source, train = PixelSource(NUM_CLIPS), _pixel_train(2, CLIPS_A_STEP)
    with reproducible(0):
        network = PixelNetwork()
    train_network(
        network, source, source.labels, train, num_classes=NUM_CLASSES, seed=0, streams=("rgb",), fabric=local_fabric()
    )


def bare_pixels() -> None:
    """Train on pixels by hand."""
    source, train = PixelSource(NUM_CLIPS), _pixel_train(2, CLIPS_A_STEP)
    with reproducible(0):
        network = PixelNetwork()
        drawn = source.batches(draw_batches(source.labels, train, 0), ("rgb",))
        of_epoch = num_batches(NUM_CLIPS, train)
        epochs: Iterator[Iterator[RandomBatch]] = (
            ((batch.inputs, batch.targets) for batch in islice(drawn, of_epoch)) for _ in range(train.num_epochs)
        )
        bare_loop(network, epochs, train.num_epochs * of_epoch, train)


CACHED: Jobs = {"ours": our_cached, "bare": bare_cached}
PIXELS: Jobs = {"ours": our_pixels, "bare": bare_pixels}


# A GPU.


class Watched:
    """A source that knows how long its batches were waited for."""

    def __init__(self, source: PixelSource) -> None:
        self.source, self.waited_sec = source, 0.0

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        """Yield the batches of the source."""
        batches = self.source.batches(draws, streams)
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self.waited_sec += time.perf_counter() - start
            if batch is None:
                return
            yield batch


def measure_gpu() -> list[Figure]:
    """Return clips a second in both precisions and the share of the time that a GPU at most waits for clips."""
    if not torch.cuda.is_available():
        print("no GPU here: clips a second in bfloat16 against float32 and the wait of the GPU for data are left out")
        return []
    source, train = Watched(PixelSource(GPU_CLIPS)), _pixel_train(3, GPU_CLIPS_A_STEP)
    rates, waits = {}, {}
    for precision in ("float32", "bf16"):
        ends = [0.0]

        def timed(_: int, metrics: dict[str, float], ends: list[float] = ends) -> None:
            ends.append(time.perf_counter())
            if len(ends) == 2:
                source.waited_sec = 0.0  # the first epoch tunes kernels

        train_network(
            PixelNetwork(), source, source.source.labels, train, num_classes=NUM_CLASSES, seed=0, streams=("rgb",),
            fabric=make_fabric(precision), on_epoch=timed,
        )  # fmt: skip
        seconds = ends[-1] - ends[1]
        rates[precision] = (train.num_epochs - 1) * GPU_CLIPS / seconds
        waits[precision] = 100 * source.waited_sec / seconds
    return [
        *(Figure(f"{torch.cuda.get_device_name()}: {name}", rate, "clips/s") for name, rate in rates.items()),
        Figure("bf16 against float32", rates["bf16"] / rates["float32"], "times"),
        *(Figure(f"waiting for clips at most, {name}", share, "%", 10) for name, share in waits.items()),
    ]


def _peak_mib(job: Callable[[], object]) -> float:
    # In a process of its own, whose peak is not that of what ran before.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run_and_measure, (job,))


def _run_and_measure(job: Callable[[], object]) -> float:
    job()
    # Linux alone tells it. getrusage would give the peak of the process that this one was started from, if larger.
    (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / MIB


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
