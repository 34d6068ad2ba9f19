"""RAFT, a recurrent network: Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms", 2020, arXiv:2003.12039.

The networks are torchvision's, and so are the weights, unless ``flow.weights`` names a file of others.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from varml.errors import WeightsError, first_line
from varml.flow.estimator import Flow, Gray, PretrainedEstimator, estimators
from varml.ground.content_key import file_digest

# The network sees an eighth of the resolution, and its pyramid of correlations needs 16 cells a side there.
STRIDE_PX = 8
MIN_SIDE_PX = 128
_URL = "https://download.pytorch.org/models/"


@estimators.register("raft")
class Raft(PretrainedEstimator):
    """torchvision's ``raft_large`` after its usual twelve updates, on gray images and on one thread."""

    error_px: ClassVar[float] = 0.3
    architecture: ClassVar[str] = "raft_large"
    # torchvision's default weights; the end of the name is the start of their sha256, which is checked.
    hub_file: ClassVar[str] = "raft_large_C_T_SKHT_V2-ff5fadd5.pth"

    def __init__(self, weights: Path | None = None) -> None:
        # A file may be replaced by another one of its name while a server lives.
        stamp = None if weights is None else weights.stat().st_mtime_ns
        self._network = _load_network(self.architecture, self.hub_file, weights, stamp)

    def state_dict(self) -> dict[str, Any]:
        """Return the network's weights."""
        return dict(self._network.state_dict())

    @classmethod
    def weights_identity(cls, weights: Path | None) -> str:
        """Return the digest of a named file, or the name of torchvision's weights."""
        return cls.hub_file if weights is None else f"sha256:{file_digest(weights)}"

    def estimate(self, previous: Gray, following: Gray) -> Flow:
        """Return the displacement (see :class:`varml.flow.estimator.FlowEstimator`)."""
        import torch

        from varml.ground.threads import one_thread

        height, width = previous.shape
        pad = [(0, _padded(side) - side) for side in (height, width)]
        pair = np.stack([np.pad(image, pad, mode="edge") for image in (previous, following)])
        images = torch.from_numpy(pair).float() / 127.5 - 1  # (2, H, W), -1 to 1
        first, second = images[:, None, None].expand(-1, -1, 3, -1, -1)  # (1, 3, H, W) each
        with one_thread(), torch.inference_mode():
            flow = self._network(first, second)[-1][0].permute(1, 2, 0)  # (H, W, 2)
        return np.ascontiguousarray(flow.numpy()[:height, :width])


def _padded(side: int) -> int:
    return max(MIN_SIDE_PX, -(-side // STRIDE_PX) * STRIDE_PX)


@lru_cache(maxsize=1)
def _load_network(architecture: str, hub_file: str, weights: Path | None, stamp: int | None) -> Any:
    """Return the network with its weights, in eval mode; a worker estimates many videos with one."""
    from varml.ground.torchvision_shim import import_torchvision

    import_torchvision()
    from torchvision.models import optical_flow

    network = getattr(optical_flow, architecture)(weights=None, progress=False).eval()
    state = _hub_state(architecture, hub_file) if weights is None else _file_state(weights)
    try:
        network.load_state_dict(state, strict=True)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{weights or hub_file} does not hold the weights of {architecture} ({first_line(error)}); name another "
            "file under flow.weights"
        ) from error
    return network


def _file_state(path: Path) -> Any:
    import torch
    from safetensors.torch import load_file

    try:
        return load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # a file of wrong bytes fails in many ways
        raise WeightsError(
            f"{path} must be a safetensors file, or one of torch with tensors alone ({first_line(error)}); name "
            "another under flow.weights"
        ) from error


def _hub_state(architecture: str, hub_file: str) -> Any:
    import torch

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        return torch.hub.load_state_dict_from_url(_URL + hub_file, map_location="cpu", progress=False, check_hash=True)
    except Exception as error:  # no network, no room, another file of that name
        raise WeightsError(
            f"the weights of {architecture} are not in {folder} and cannot be fetched ({first_line(error)}); go online "
            f"once, lay {hub_file} into that folder (TORCH_HOME moves it), name a file of them under flow.weights, or "
            "choose another flow.estimator"
        ) from error
