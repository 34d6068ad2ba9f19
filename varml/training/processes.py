"""Where a training runs: Lightning Fabric places it on CPU or GPU, in one process or in those of a launcher.

Fabric and not Accelerate, because its objects are independent, each with a precision of its own; Accelerate keeps one
state for the process, whose precision cannot change from one trial to the next. Its import takes two seconds more than
torch's, so it is imported where a training begins.
"""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Precision = Literal["float32", "bf16"]
_NAMES: dict[Precision, Literal["32-true", "bf16-mixed"]] = {"float32": "32-true", "bf16": "bf16-mixed"}


@cache
def local_fabric() -> Fabric:
    """Return this process's CPU in float32, whatever launched it: for networks so small that nothing else is faster."""
    from lightning_fabric.strategies.single_device import SingleDeviceStrategy

    return _fabric(accelerator="cpu", strategy=SingleDeviceStrategy("cpu"))


def make_fabric(precision: Precision) -> Fabric:
    """Return the device of this process, a GPU where there is one, among the processes that a launcher started.

    ``torchrun`` and ``fabric run`` start such processes; without them there is this one.
    """
    if os.environ.get("LT_CLI_USED") == "1":
        return _fabric(precision=_NAMES[precision])  # launched, with devices that the command line names
    on_node, num_nodes = _launched()
    fabric = _fabric(devices=on_node, num_nodes=num_nodes, precision=_NAMES[precision])
    fabric.launch()
    return fabric


def _fabric(**options: Any) -> Fabric:
    from lightning_fabric import Fabric

    # It says of each object that it uses bfloat16, also of those that only try it.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    return Fabric(**options)


def _launched() -> tuple[int, int]:
    # How many processes torchrun has started on this node, and on how many nodes.
    if not torch.distributed.is_available() or not torch.distributed.is_torchelastic_launched():
        return 1, 1
    on_node = int(os.environ["LOCAL_WORLD_SIZE"])
    return on_node, int(os.environ["WORLD_SIZE"]) // on_node
