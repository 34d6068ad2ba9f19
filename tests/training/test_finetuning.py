"""Training end to end: what is trained and what is not, and that it begins where training on features ended."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from stored_project import BACKBONE, store_videos, stored_params
from torch import Tensor, nn

from varml.config import Params
from varml.config.params import Unfreeze
from varml.config.space import apply_values
from varml.models.backbones import Backbone, build_backbone
from varml.models.features import features_of
from varml.models.recognizer import Recognizer
from varml.models.video_network import VideoNetwork
from varml.training.augmented import AugmentedImages
from varml.training.batches import Batch, Draw
from varml.training.checkpoint import Checkpoint
from varml.training.data import list_clips, load_features
from varml.training.finetuning import finetune
from varml.training.loop import EpochMetrics, fit
from varml.training.unfreezing import layer_groups, unfreeze

VALUES = {"train.finetune.num_epochs": 3, "train.finetune.batch_size": 4, "train.precision": "float32"}


@pytest.fixture(scope="module")
def params() -> Params:
    # A recogniser that has not learned everything from frozen features.
    model = {"model.fusion": "concat", "model.pooling": "mean", "model.attention.depth": 1, "model.dropout": 0.0}
    return apply_values(stored_params(), {**VALUES, **model, "train.lr": 1e-3})


@pytest.fixture(scope="module")
def stored(params: Params, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recognizer, AugmentedImages]:
    """A recogniser that was trained on stored features, and the images of their clips."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        manifest = store_videos(params)
        recognizer = fit(load_features(manifest, params, BACKBONE), params.model, params.train, seed=0)
        clips = list_clips(manifest, params)
    clips.frames[:], clips.flow[:] = ([folder / file for file in files] for files in (clips.frames, clips.flow))
    backbone = build_backbone(BACKBONE, params.features.image_size_px, {})
    images = AugmentedImages(clips, {"rgb": backbone, "flow": backbone}, params.features, 0.0, seed=0, num_workers=0)
    return recognizer, images


def whole(images: AugmentedImages) -> Batch:
    """Return all clips as one batch."""
    draw = Draw(0, 0, torch.arange(len(images.clips.labels)))
    return next(images.batches(iter([draw]), ("rgb", "flow")))


def trained(
    stored: tuple[Recognizer, AugmentedImages], params: Params, what: Unfreeze, **given: object
) -> VideoNetwork:
    recognizer, images = stored
    wanted = apply_values(params, {"train.unfreeze": what})
    arguments = {"on_epoch": lambda epoch, metrics: None, **given}
    return finetune(recognizer, images, wanted, seed=0, **arguments)  # type: ignore[arg-type]


def changed(before: nn.Module, after: nn.Module) -> set[str]:
    one, other = before.state_dict(), after.state_dict()
    return {name for name in one if not torch.equal(one[name], other[name])}


def test_it_begins_where_training_on_stored_features_ended(
    stored: tuple[Recognizer, AugmentedImages], params: Params
) -> None:
    recognizer, images = stored
    own = {stream: deepcopy(backbone) for stream, backbone in images.backbones.items()}
    network = VideoNetwork(own, recognizer, params.features.grid_size).eval()
    features = {s: torch.from_numpy(np.stack(values)) for s, values in _stored_features(stored, params).items()}
    with torch.inference_mode():
        expected = recognizer(features)
        assert torch.allclose(network(whole(images).inputs), expected, atol=2e-2)  # features are stored in float16
        assert not torch.allclose(network(whole(images).inputs).flip(0), expected, atol=2e-2)


@pytest.mark.parametrize("what", ["none", "last_stage", "all"])
def test_as_much_of_a_backbone_is_trained_as_is_wanted(
    stored: tuple[Recognizer, AugmentedImages], params: Params, what: Unfreeze
) -> None:
    recognizer, images = stored
    network = trained(stored, params, what)
    for stream in ("rgb", "flow"):
        before, after = images.backbones[stream].network, network.stream_backbones[stream].network
        moved = changed(before, after)  # type: ignore[arg-type]
        assert not {name for name in moved if "running" in name or "num_batches" in name}
        stages = {name.split(".")[1] if name.startswith("blocks") else name.split(".")[0] for name in moved}
        assert stages == {
            "none": set(),
            "last_stage": {"6", "conv_head", "bn2"},
            "all": {*"0123456", "conv_stem", "bn1", "conv_head", "bn2"},
        }[what]  # fmt: skip
    assert changed(recognizer, network.recognizer)


def test_neither_the_recogniser_nor_the_backbone_that_it_came_from_is_touched(
    stored: tuple[Recognizer, AugmentedImages], params: Params
) -> None:
    recognizer, images = stored
    before = deepcopy((recognizer, images.backbones["rgb"]))
    network = trained(stored, params, "all")
    assert not changed(before[0], recognizer)
    assert not changed(before[1], images.backbones["rgb"])
    rgb, flow = (network.stream_backbones[stream] for stream in ("rgb", "flow"))
    assert changed(rgb, flow)


def test_training_end_to_end_lowers_the_loss_that_frozen_features_leave(
    stored: tuple[Recognizer, AugmentedImages], params: Params
) -> None:
    batch, losses = whole(stored[1]), {}
    for what in ("none", "all"):
        network = trained(stored, apply_values(params, {"train.finetune.num_epochs": 6}), what)
        with torch.inference_mode():
            losses[what] = torch.nn.functional.cross_entropy(network(batch.inputs), batch.targets).item()
    assert losses["all"] < losses["none"]


def test_each_trained_parameter_is_in_one_group_and_lower_layers_learn_slower(
    stored: tuple[Recognizer, AugmentedImages], params: Params
) -> None:
    recognizer, images = stored
    network = VideoNetwork(
        {stream: deepcopy(backbone) for stream, backbone in images.backbones.items()}, deepcopy(recognizer), 2
    )
    unfreeze(network, "all")
    groups = layer_groups(network, params.train)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in network.parameters())
    scales = {id(p): group.get("lr_scale", 1.0) for group in groups for p in group["params"]}
    net = network.stream_backbones["flow"].network
    path = [net.conv_stem, net.blocks[1][0].conv_pw, net.blocks[5][0].conv_pw, net.conv_head]  # type: ignore[union-attr, index]
    rates = [scales[id(layer.weight)] for layer in path]  # type: ignore[union-attr]
    assert rates == sorted(set(rates))
    assert scales[id(next(network.recognizer.parameters()))] == 1.0
    frozen = apply_values(params, {"train.finetune.layer_decay": 1.0})
    assert {group.get("lr_scale", 1.0) for group in layer_groups(network, frozen.train)} == {1.0}


def test_two_streams_that_share_a_backbone_are_refused(
    stored: tuple[Recognizer, AugmentedImages], params: Params
) -> None:
    with pytest.raises(ValueError, match="share a backbone"):
        VideoNetwork(stored[1].backbones, stored[0], params.features.grid_size)


def test_an_interrupted_training_goes_on_and_ends_with_the_same_weights(
    stored: tuple[Recognizer, AugmentedImages], params: Params, tmp_path: Path
) -> None:
    def interrupt(epoch: int, metrics: EpochMetrics) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    checkpoint = Checkpoint(tmp_path / "finetune.checkpoint", key="a")
    with pytest.raises(KeyboardInterrupt):
        trained(stored, params, "last_stage", checkpoint=checkpoint, on_epoch=interrupt)
    epochs: list[int] = []
    resumed = trained(stored, params, "last_stage", checkpoint=checkpoint, on_epoch=lambda e, _: epochs.append(e))
    assert not changed(trained(stored, params, "last_stage"), resumed)
    assert epochs == [0, 1, 2]


def _stored_features(stored: tuple[Recognizer, AugmentedImages], params: Params) -> dict[str, list[np.ndarray]]:
    images = stored[1]
    batch = whole(images)

    def of(stream: str, clip: Tensor) -> np.ndarray:
        backbone = images.backbones[stream]
        assert isinstance(backbone, Backbone)
        return features_of(backbone, clip, params.features).astype(np.float32)

    return {stream: [of(stream, clip) for clip in clips] for stream, clips in batch.inputs.items()}
