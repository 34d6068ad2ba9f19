"""The loader of training clips: clips a second against a loop written by hand, and how long a step waits for it.

``python -m benchmarks.loader`` stores clips of the embedded sample in a temporary folder, packed and as a JPEG file for
each image, and lets both loaders take turns with two processes each. Both read the middle frame of each of 8 segments
and one step of flow, and change them with the strongest augmentation.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import simplejpeg
import torch
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.bare_loader import BareClips, Files
from benchmarks.interleaved import interleaved
from benchmarks.report import Figure, report
from varml.config import Params, load_params
from varml.flow.store import FlowTask, extract_flow, read_packed_flow
from varml.models.backbones import Backbone, build_backbone
from varml.models.features import flow_input, rgb_input
from varml.training.clips import AugmentedClips, ClipSet, Place, StoredClip, load_clips
from varml.video.frames import FrameTask, extract_frames, read_middle_frames
from varml.video.probe import clip_of, probe_video

ROOT = Path(__file__).resolve().parents[1]
NUM_CLIPS, NUM_WORKERS, ROUNDS = 24, 2, 5
# A loader lives as long as a training: its start counts little among so many clips.
NUM_EPOCHS = 8
STRENGTH = 1.0
BACKBONE, BATCH_SIZE = "mobilenetv3_small_100", 8


def main() -> None:
    """Measure and report."""
    arguments = _arguments()
    params = load_params(ROOT / "params.yaml")
    with tempfile.TemporaryDirectory() as folder:
        clips = stored_clips(Path(folder), params)
        figures = [*measure_speed(clips, jpeg_files(clips, Path(folder))), *measure_wait(clips, params)]
    report("the loader of training clips, two processes", figures, arguments.json)


def stored_clips(folder: Path, params: Params) -> ClipSet:
    """Extract clips of the sample as the pipeline does."""
    frames, flow = ([folder / f"{kind}{number}.pack" for number in range(NUM_CLIPS)] for kind in ("frames", "flow"))
    for video, target, moved in zip(_videos(), frames, flow, strict=True):
        clip = clip_of(video, probe_video(video, params.ingest.probe))
        extract_frames(FrameTask(clip, target, params.frames))
        extract_flow(FlowTask(target, moved, params.flow))
    return ClipSet(frames, flow, [0] * NUM_CLIPS, mirror=[0], bound_px=params.flow.bound_px)


def jpeg_files(clips: ClipSet, folder: Path) -> list[Files]:
    """Write the same images as files of their own, of the same quality."""
    return [
        Files(
            frames=list(_written(read_middle_frames(frames)[:, 0], folder / f"rgb{number}", "RGB")),
            flow=list(_written(read_packed_flow(flow)[:, 0], folder / f"flow{number}", "GRAY")),
        )
        for number, (frames, flow) in enumerate(zip(clips.frames, clips.flow, strict=True))
    ]


def measure_speed(clips: ClipSet, files: list[Files]) -> list[Figure]:
    """Return clips a second of both loaders, each from its start to its end."""
    num_clips = NUM_CLIPS * NUM_EPOCHS
    taken = interleaved(
        {"ours": lambda: _count(_clips(clips, num_clips)), "by hand": lambda: _count(_by_hand(files))},
        ROUNDS,
        time.perf_counter,
    )
    return [
        *(Figure(f"clips a second, {name}", num_clips / seconds, "1/s") for name, seconds in taken.items()),
        Figure("ours against the one by hand", taken["by hand"] / taken["ours"], "times", 1.0, at_least=True),
    ]


def measure_wait(clips: ClipSet, params: Params, num_steps: int = 24) -> list[Figure]:
    """Return how much of a training step of both streams' networks is waiting for clips, without the first steps."""
    streams = {stream: build_backbone(BACKBONE, params.features.image_size_px, None) for stream in ("rgb", "flow")}
    step, loaded = _Step(streams, params), _clips(clips, num_steps * BATCH_SIZE)
    waits, steps = [], []
    for _ in range(num_steps):
        start = time.perf_counter()
        batch = list(islice(loaded, BATCH_SIZE))
        ready = time.perf_counter()
        step(batch)
        waits.append(ready - start)
        steps.append(time.perf_counter() - start)
    settled = slice(num_steps // 4, None)
    share = 100 * sum(waits[settled]) / sum(steps[settled])
    return [
        Figure(f"a step of {BATCH_SIZE} clips, {BACKBONE}", statistics.median(steps[settled]), "s"),
        Figure("of it waiting for clips", share, "%", 10),
    ]


class _Step:
    """Forward and backward through a network for each stream, one thread."""

    def __init__(self, streams: dict[str, Backbone], params: Params) -> None:
        torch.set_num_threads(1)
        self._streams, self._params = streams, params
        self._optimizer = torch.optim.AdamW(nn.ModuleDict(streams).train().parameters(), lr=1e-4)

    def __call__(self, clips: list[StoredClip]) -> None:
        features = self._params.features
        rgb, flow = self._streams["rgb"], self._streams["flow"]
        frames = torch.cat([rgb_input(rgb, clip.frames, features) for clip in clips])
        moved = torch.cat([flow_input(clip.flow, features) for clip in clips])
        loss = rgb.feature_map(frames).square().mean() + flow.feature_map(moved).square().mean()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()


def _clips(clips: ClipSet, num_clips: int) -> Iterator[StoredClip]:
    places = (Place(*divmod(number, NUM_CLIPS), 0, number % NUM_CLIPS) for number in range(num_clips))
    return load_clips(AugmentedClips(clips, STRENGTH, seed=0), places, NUM_WORKERS)


def _by_hand(files: list[Files]) -> Iterable[object]:
    return DataLoader(BareClips(files * NUM_EPOCHS), batch_size=None, shuffle=True, num_workers=NUM_WORKERS)


def _count(clips: Iterable[object]) -> int:
    return sum(1 for _ in clips)


def _written(images: npt.NDArray[np.uint8], stem: Path, colours: str) -> Iterator[Path]:
    for number, image in enumerate(images):
        path = stem.with_name(f"{stem.name}_{number}.jpg")
        path.write_bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image), 95, colours, "444", fastdct=False))
        yield path


def _videos() -> list[Path]:
    every = sorted((ROOT / "sample").glob("*/*.mp4"))
    return every[:: len(every) // NUM_CLIPS][:NUM_CLIPS]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
