"""Lets stock torchvision be imported beside a CPU-only torch.

torchvision from PyPI is built for CUDA; beside a CPU build of torch its compiled operators do not load, and its import
(and so timm's) fails on ``operator torchvision::nms does not exist``. Two schemas without kernels are enough for
the import; nothing in varml calls them. Where torchvision imports by itself, nothing is done.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: list[Any] = []  # the schemas live as long as the object that defined them


def import_torchvision() -> None:
    """Import torchvision, with the missing operator schemas where it needs them."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        _define_schemas()
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        importlib.import_module("torchvision")


def _define_schemas() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    _library.append(library)
