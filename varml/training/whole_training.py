"""A training as its params want it: on stored features, on changed clips, or on features and then end to end.

What is confirmed in the search and what is served are both trained here, so that the one tells of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from varml.config.params import Params
from varml.data.dataset import FeatureSet
from varml.models.backbones import Backbone
from varml.models.recognizer import Recognizer
from varml.training.augmented import AugmentedFeatures, AugmentedImages
from varml.training.checkpoint import Checkpoint
from varml.training.finetuning import finetune
from varml.training.loop import EpochMetrics, OnEpoch, fit
from varml.training.stream_weight import set_fitted


@dataclass(frozen=True)
class Trained:
    """A trained recogniser, and the backbones of its streams that were trained with it; None where those are frozen."""

    recognizer: Recognizer
    backbones: dict[str, Backbone] | None


def train_whole(
    data: FeatureSet,
    images: Callable[[], AugmentedImages],
    params: Params,
    *,
    seed: int,
    on_epoch: OnEpoch,
    checkpoint: Checkpoint | None,
    fitted: Mapping[str, float],
) -> Trained:
    """Return what is trained on the videos of ``data``, with ``params.model`` and ``params.train``.

    ``images`` gives the same videos from pixels where that is needed. Epochs on pixels are counted after those on
    features, and are those that ``checkpoint`` keeps. ``fitted`` are values of the fusion's buffers, set before
    training goes on end to end. Raises what :func:`varml.training.loop.train_network` raises.
    """
    end_to_end = params.train.unfreeze != "none"
    # What is trained end to end afterwards sees changed clips then; before, stored features are good enough.
    sees_clips = params.train.augment > 0 and not end_to_end
    recognizer = fit(
        data,
        params.model,
        params.train,
        seed=seed,
        source=AugmentedFeatures(images()) if sees_clips else None,
        on_epoch=on_epoch,
        checkpoint=checkpoint if sees_clips else None,
    )
    set_fitted(recognizer, fitted)
    if not end_to_end:
        return Trained(recognizer, None)

    def after_features(epoch: int, metrics: EpochMetrics) -> None:
        on_epoch(params.train.num_epochs + epoch, metrics)

    network = finetune(recognizer, images(), params, seed=seed, on_epoch=after_features, checkpoint=checkpoint)
    return Trained(network.recognizer, network.stream_backbones)
