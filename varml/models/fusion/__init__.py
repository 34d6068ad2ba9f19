"""How the streams meet: the registered fusions, one file each."""

from varml.models.fusion.base import Fusion, fusions

__all__ = ["Fusion", "fusions"]
