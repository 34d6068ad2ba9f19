"""A backbone cut where its training begins: what lies before gives each image the same map in every epoch.

Nothing is known of the architecture. The network is watched on one image; in a copy of it, what ended before the first
trained module began is replaced by stand-ins, and the copy goes on from the map that was kept. Networks that more than
one map leads on (a skip over the cut) cannot be cut so; a trial shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from varml.ground.threads import one_thread
from varml.models.backbones import Backbone


@dataclass(frozen=True)
class SplitBackbone:
    """``whole`` as it was, and ``rest``, a copy from the cut on: its ``feature_map`` takes maps in place of images.

    The parameters of ``rest`` have the names that they have in ``whole``.
    """

    whole: Backbone
    rest: Backbone
    cut: str

    def maps(self, images: Tensor) -> Tensor:
        """Return what crosses the cut for standardised ``images`` (B, C, s, s), (B, ...) float32."""
        kept: list[Tensor] = []
        module = self.whole.network.get_submodule(self.cut)
        with _hooked([module.register_forward_hook(lambda _, __, output: kept.append(output))]), torch.no_grad():
            self.whole.feature_map(images)
        return kept[0]

    def joined(self) -> Backbone:
        """Return a copy of ``whole`` with the weights of ``rest``."""
        joined = deepcopy(self.whole)
        joined.load_state_dict(self.rest.state_dict(), strict=False)
        return joined


def split_backbone(backbone: Backbone, trained: set[str]) -> SplitBackbone | None:
    """Return ``backbone`` cut before the first module of which all parameters are ``trained``, names in its network.

    None where that cannot be done and give the same features to the bit, or nothing lies before.
    """
    images = _trial_images(backbone)
    before = _watch(backbone, images[:1], trained)
    if not before:
        return None
    rest = deepcopy(backbone)
    _replace(rest.network, before)
    split = SplitBackbone(backbone, rest, list(before)[-1])
    return split if _is_whole(rest, trained) and _agree(split, images) else None


def _trial_images(backbone: Backbone) -> Tensor:
    shape = (2, backbone.in_chans, backbone.size_px, backbone.size_px)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@dataclass
class _Watched:
    """What ended before the cut, name to the shape of its output for one image, in the order of ending."""

    trained: set[str]
    reached: bool = False
    ended: dict[str, torch.Size | None] = field(default_factory=dict)

    def begins(self, name: str, module: nn.Module) -> None:
        """Note whether training begins with ``module``."""
        own = {f"{name}.{parameter}" for parameter, _ in module.named_parameters()}
        self.reached |= bool(own) and own <= self.trained

    def ends(self, name: str, output: Any) -> None:
        """Note that a module ended, unless the cut was reached before."""
        if not self.reached:
            self.ended[name] = output.shape if isinstance(output, Tensor) else None


def _watch(backbone: Backbone, image: Tensor, trained: set[str]) -> dict[str, torch.Size | None]:
    """Return the outermost modules that ended before the cut, with their shapes, in the order of ending."""
    watched, handles = _Watched(trained), []
    for name, module in backbone.network.named_modules():
        if name:
            handles += [
                module.register_forward_pre_hook(lambda m, _, name=name: watched.begins(name, m)),
                module.register_forward_hook(lambda _, __, output, name=name: watched.ends(name, output)),
            ]
    with _hooked(handles), torch.inference_mode():
        backbone.feature_map(image)
    if not watched.reached:
        return {}
    ended = watched.ended
    return {name: shape for name, shape in ended.items() if not any(parent in ended for parent in _parents(name))}


def _parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:length]) for length in range(1, len(parts)))


class _StandIn(nn.Module):
    """Takes the place of a module before the cut: the first keeps the map that comes, the last hands it on.

    Between them plain operations may want tensors of the right shape; zeros do.
    """

    def __init__(self, carried: list[Tensor], shape: torch.Size | None, *, first: bool, last: bool) -> None:
        super().__init__()
        self._carried, self._shape, self._first, self._last = carried, shape, first, last

    def forward(self, given: Tensor, *_: Any, **__: Any) -> Tensor:
        if self._first:
            self._carried[:] = [given]
        if self._last:
            return self._carried.pop()
        return given.new_zeros(1).expand(len(given), *(self._shape or given.shape)[1:])


def _replace(network: nn.Module, before: dict[str, torch.Size | None]) -> None:
    carried: list[Tensor] = []
    names = list(before)
    for name, shape in before.items():
        network.set_submodule(name, _StandIn(carried, shape, first=name == names[0], last=name == names[-1]))


def _is_whole(rest: Backbone, trained: set[str]) -> bool:
    return trained <= {name for name, _ in rest.network.named_parameters()}


def _agree(split: SplitBackbone, images: Tensor) -> bool:
    try:
        with one_thread(), torch.inference_mode():
            return torch.equal(split.rest.feature_map(split.maps(images)), split.whole.feature_map(images))
    except Exception:  # what timm's thousand networks make of a map that they did not expect
        return False


@contextmanager
def _hooked(handles: list[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
