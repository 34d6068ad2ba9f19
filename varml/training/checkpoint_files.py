"""The checkpoint of the final training: where it lies, and which training it belongs to."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from varml.config.params import Params
from varml.ground.content_key import content_key, file_digest
from varml.ground.paths import MANIFEST, PLUGINS, WEIGHTS, state_folder
from varml.training.checkpoint import Checkpoint

# Raise it when the same training may give other weights, or its checkpoint holds something else.
VERSION = 4
SUFFIX = ".checkpoint"


def checkpoint_folder() -> Path:
    """Return the folder of the checkpoints of final trainings; no stage's out, for DVC removes outs before a rerun."""
    return state_folder() / "checkpoints" / "train"


def final_checkpoint(winner: Params, root: Path = Path()) -> Checkpoint | None:
    """Return the checkpoint of the training of ``winner`` in the project at ``root``.

    None where it keeps none: one on cached features is over in seconds.
    """
    train = winner.train
    if (not train.augment and train.unfreeze == "none") or not train.checkpoint_every:
        return None
    key = _training_key(winner, root)
    return Checkpoint(checkpoint_folder() / f"{key}{SUFFIX}", key, train.checkpoint_every)


def remove_checkpoint(winner: Params, root: Path = Path()) -> None:
    """Remove the checkpoint of the training of ``winner``, if it has one: the model that it gave is saved."""
    checkpoint = final_checkpoint(winner, root)
    if checkpoint is not None:
        checkpoint.remove()


def _training_key(winner: Params, root: Path) -> str:
    """Return what changes with all that makes the weights: data, params and the libraries that compute."""
    sections, features = ("frames", "flow", "views", "model"), winner.features
    adapted = {"streams": features.adapted_streams, "adaptation": features.adaptation.model_dump()}
    return content_key(
        version=VERSION,
        libraries={name: version(name) for name in ("torch", "timm")},
        seed=winner.seed,
        data={str(file): file_digest(root / file) for file in (MANIFEST, PLUGINS, WEIGHTS)},
        mirror_pairs=winner.data.mirror_pairs,
        train=winner.train.model_dump(exclude={"checkpoint_every"}),
        features=features.frozen.model_dump(),
        **({"adapted": adapted} if features.adapted_streams else {}),
        **{name: getattr(winner, name).model_dump() for name in sections},
    )
