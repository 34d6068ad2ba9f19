"""What it is worth that a backbone sees the channels of a pixel side by side (:mod:`varml.models.backbones`).

``python -m benchmarks.memory_layout`` lets both layouts of the same images take turns in one process that keeps the
memory it frees: the answer on one video, and a training step of all of a backbone. Networks with depthwise
convolutions, which varml shows images so, have a goal; others are there to compare. The weights are random, which
takes as long.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.interleaved import interleaved, rounds_arguments
from benchmarks.report import Figure, report
from varml.ground.allocator import keep_freed_memory
from varml.models.backbones import RGB, Backbone, build_backbone

SIZE_PX, STEPS, CLIPS = 160, 12, 8
# With the time of the other layout by that of this one which is to be reached.
BACKBONES = {"tf_efficientnet_lite0": 1.1, "mobilenetv3_large_100": 1.1, "resnet18": None, "vit_tiny_patch16_224": None}
LAYOUTS = {"side by side": torch.channels_last, "plane by plane": torch.contiguous_format}


def main() -> None:
    """Measure and report."""
    arguments = rounds_arguments(__doc__)
    keep_freed_memory()
    torch.set_num_threads(1)
    figures = [one for name in BACKBONES for one in _compare(name, arguments.rounds)]
    report(f"channels side by side, images of {SIZE_PX} px, one thread", figures, arguments.json)


def answer(backbone: Backbone, images: Tensor) -> None:
    """Compute the feature maps of images."""
    with torch.inference_mode():
        backbone.network.forward_features(images)  # type: ignore[operator]


def step(backbone: Backbone, images: Tensor) -> None:
    """Compute the gradients of all parameters."""
    backbone.network.forward_features(images).mean().backward()  # type: ignore[operator]


WORK: dict[str, tuple[Callable[[Backbone, Tensor], None], int]] = {
    "features of a video": (answer, STEPS),
    "a step of all": (step, CLIPS * STEPS),
}


def _compare(name: str, rounds: int) -> list[Figure]:
    backbone, figures = build_backbone(name, SIZE_PX, None), []
    for title, (work, num_images) in WORK.items():
        images = torch.rand(num_images, RGB, SIZE_PX, SIZE_PX)
        seen = {layout: images.contiguous(memory_format=form) for layout, form in LAYOUTS.items()}
        jobs: dict[str, Callable[[], object]] = {layout: partial(work, backbone, one) for layout, one in seen.items()}
        taken = interleaved(jobs, rounds)
        gain = taken["plane by plane"] / taken["side by side"]
        figures += [
            *(Figure(f"{name}, {title}: {layout}", seconds, "s") for layout, seconds in taken.items()),
            Figure(f"{name}, {title}: speed side by side", gain, "times", BACKBONES[name], at_least=True),
        ]
    return figures


if __name__ == "__main__":
    main()
