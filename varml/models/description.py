"""What model.json says: all that a model is, besides the weights of its networks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from varml.config.params import Features, Flow, Frames, Model, Probe, Views
from varml.config.section import Section
from varml.config.views import View, list_views

FORMAT = 6
# The answer of a model that is not sure enough.
UNKNOWN = "unknown"
RGB = 3  # channels


class Preprocessing(Section):
    """From raw video to features and views, as training had it."""

    probe: Probe
    frames: Frames
    flow: Flow
    features: Features
    views: Views


class BackboneDescription(Section):
    """A network by timm's name, and how many channels its images have."""

    name: str
    in_chans: int = Field(RGB, ge=1)


def frozen_key(name: str, in_chans: int) -> str:
    """Return the key of the backbone ``name`` with its pretrained weights; no other backbone may have it."""
    return name if in_chans == RGB else f"{name}.{in_chans}_channels"


class MemberDescription(Section):
    """A recogniser: its share, its shape, and the key of the backbone of each stream.

    ``dim`` and ``num_steps`` are D and T of its features (B, T, G, D), those of one clip. With ``mirror`` it is shown
    each view of a video also in a mirror; its answers on all views are averaged.
    """

    weight: float = Field(gt=0, le=1)
    model: Model
    dim: int = Field(ge=1)
    num_steps: dict[str, int]
    backbones: dict[str, str]
    mirror: bool = False


class Description(Section):
    """The content of model.json.

    ``mirror`` holds for each of ``classes`` the place of the class that it becomes in a mirror, mostly its own.
    ``backbones`` are by key; several members, and both streams of one, may name the same key. Where no class reaches
    the probability ``unknown_below``, the answer is :data:`UNKNOWN`; None gives every answer.
    """

    format: int
    classes: list[str]
    mirror: list[int]
    temperature: float = Field(gt=0)
    unknown_below: float | None = Field(ge=0, le=1)
    backbones: dict[str, BackboneDescription]
    members: list[MemberDescription] = Field(min_length=1)
    preprocessing: Preprocessing

    @model_validator(mode="after")
    def _members_and_backbones_belong_together(self) -> Description:
        named = {key for member in self.members for key in member.backbones.values()}
        if named != set(self.backbones):
            raise ValueError(
                f"the members name the backbones {sorted(named)}, and there are {sorted(self.backbones)}; "
                "they must be the same"
            )
        return self

    def views_of(self, member: MemberDescription) -> list[View]:
        """Return the views on which ``member`` answers."""
        return list_views(self.preprocessing.views, member.mirror)

    def is_frozen(self, key: str) -> bool:
        """Return whether ``key`` is a backbone whose features the pipeline stores; others are the model's own."""
        backbone = self.backbones[key]
        return key == frozen_key(backbone.name, backbone.in_chans)

    def is_sure(self, probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Return whether the most probable class of each row (N, K) is probable enough to be the answer, (N,)."""
        return np.asarray(probabilities.max(1) >= (self.unknown_below or 0))

    def answers(self, probabilities: npt.NDArray[np.float32]) -> list[str]:
        """Return the answer for each row of class probabilities (N, K): a class, or :data:`UNKNOWN`."""
        best = probabilities.argmax(1)
        return [self.classes[k] if sure else UNKNOWN for k, sure in zip(best, self.is_sure(probabilities), strict=True)]

    def with_flow_weights(self, weights: dict[str, str]) -> Description:
        """Return the description with these files of flow weights, and with none of backbones: those are its own."""
        pre = self.preprocessing
        parts = {
            "features": pre.features.model_copy(update={"weights": {}}),
            "flow": pre.flow.model_copy(update={"weights": weights}),
        }
        return self.model_copy(update={"preprocessing": pre.model_copy(update=parts)})
