"""torchvision's transforms v2 as plain functions, imported with the schemas that a stock torchvision may need."""

from varml.ground.torchvision_shim import import_torchvision

import_torchvision()

from torchvision.transforms.v2 import InterpolationMode, functional  # noqa: E402

__all__ = ["InterpolationMode", "functional"]
