"""Adapted backbones: what they are trained on and what not, that they are the same each time, and that they help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from adapting_project import Stored, stored_for_adapting
from safetensors.numpy import load_file
from stored_project import store_videos
from tiny_weights import tiny_params, write_tiny_weights

from varml.config.space import apply_values
from varml.config.views import PLAIN, View
from varml.errors import StoreError
from varml.flow.store import flow_files
from varml.models.feature_files import feature_files
from varml.models.features import FeatureTask, extract_features
from varml.training.adaptations import FINAL, Adaptation
from varml.training.adapted import load_backbone, with_adapted
from varml.training.adapting import frozen
from varml.training.cross_validation import cross_validate
from varml.training.data import load_features
from varml.training.keeping_maps import make_map_files
from varml.video.frames import frames_files


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    with stored_for_adapting(tmp_path_factory.mktemp("adapting")) as project:
        yield project


@pytest.fixture(scope="module")
def first_fold(stored: Stored, tmp_path_factory: pytest.TempPathFactory) -> Adaptation:
    return stored.adapted(0, tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def final(stored: Stored, tmp_path_factory: pytest.TempPathFactory) -> Adaptation:
    return stored.adapted(FINAL, tmp_path_factory.mktemp("final"))


def left_out(adaptation: Adaptation, num_videos: int) -> np.ndarray:
    return np.setdiff1d(np.arange(num_videos), adaptation.training)


# What they are trained on.


def test_what_a_fold_validates_does_not_touch_its_backbone(
    stored: Stored, first_fold: Adaptation, tmp_path: Path
) -> None:
    held_out = left_out(first_fold, 12)
    rows = stored.rows.copy()
    # Their labels go round, and each has the frames, flow and features of another one.
    for column in ("label", "digest"):
        rows.loc[held_out, column] = np.roll(rows.loc[held_out, column].to_numpy(), 1)
    adaptation = replace(stored, rows=rows).done(replace(first_fold, folder=tmp_path))
    before, after = (load_file(one.features)["flow"] for one in (first_fold, adaptation))
    seen = first_fold.training
    assert before[seen].tobytes() == after[seen].tobytes()
    assert np.array_equal(after[held_out], np.roll(before[held_out], 1, axis=0))


@pytest.mark.parametrize("column", ["label", "digest"])
def test_what_it_trains_on_does(stored: Stored, first_fold: Adaptation, tmp_path: Path, column: str) -> None:
    rows, seen = stored.rows.copy(), first_fold.training
    rows.loc[seen, column] = np.roll(rows.loc[seen, column].to_numpy(), 1)
    adaptation = replace(stored, rows=rows).done(replace(first_fold, folder=tmp_path))
    before, after = (load_file(one.features)["flow"] for one in (first_fold, adaptation))
    held_out = left_out(first_fold, 12)
    assert not np.array_equal(before[held_out], after[held_out])


def test_no_video_of_the_test_split_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = tiny_params(write_tiny_weights(tmp_path / "tiny.safetensors"))
    monkeypatch.chdir(tmp_path)
    manifest = store_videos(params, num_training=2, num_test=1)
    tested, name = manifest[manifest["split"] == "test"], params.model.backbone
    for files in (
        frames_files(tested, params.frames),
        flow_files(tested, params.frames, params.flow),
        *(feature_files(tested, params, name, view=view) for view in (PLAIN, View(mirrored=True))),
    ):
        for file in files:
            file.unlink()
    rows = manifest[manifest["split"] != "test"].reset_index(drop=True)
    assert Stored(params, rows, Path()).adapted(FINAL, tmp_path / "to").is_done


# What comes of them.


def test_equal_tasks_give_equal_bytes(stored: Stored, final: Adaptation, tmp_path: Path) -> None:
    again = stored.adapted(FINAL, tmp_path)
    assert [file.name for file in again.files] == [file.name for file in final.files]
    for one, other in zip(final.files, again.files, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_another_seed_gives_another_backbone(stored: Stored, final: Adaptation, tmp_path: Path) -> None:
    adaptation = stored.done(replace(final, seed=7, folder=tmp_path))
    assert not np.array_equal(load_file(final.features)["flow"], load_file(adaptation.features)["flow"])


def test_maps_that_are_kept_give_what_images_give(stored: Stored, final: Adaptation, tmp_path: Path) -> None:
    before = stored.videos.features(final.backbone).features[PLAIN]["flow"].astype(np.float32)
    on_maps, on_images = (
        load_file(one.features)["flow"].astype(np.float32)
        for one in (final, stored.adapted(FINAL, tmp_path, cut=False))
    )
    learned = np.abs(on_images - before).mean()
    assert np.abs(on_maps - on_images).mean() < 0.02 * learned


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_features_are_those_that_the_kept_backbone_gives(stored: Stored, tmp_path: Path, stream: str) -> None:
    both = stored.changed({"features.adapt": "both"})
    adaptation = both.adapted(FINAL, tmp_path, stream=stream)
    backbone, images = load_backbone(adaptation, both.params), both.videos.images(adaptation.backbone, stream)
    features = load_file(adaptation.features)
    for view, name in ((PLAIN, stream), (View(mirrored=True), f"{stream}.mirrored")):
        with torch.inference_mode():
            seen = backbone.feature_map(images.read(view, 5)).float()
        cells = torch.nn.functional.adaptive_avg_pool2d(seen, both.params.features.grid_size)
        assert features[name][5] == pytest.approx(cells.flatten(2).transpose(1, 2).numpy(), rel=1e-2, abs=1e-3)


def test_adapted_features_differ_from_frozen_ones_in_their_stream_alone(stored: Stored, final: Adaptation) -> None:
    before = stored.videos.features(stored.params.model.backbone)
    after = with_adapted(before, [final], stored.params.frames.num_segments)
    assert list(after.features) == list(before.features) == [PLAIN, View(mirrored=True)]
    for one, other in zip(after.features.values(), before.features.values(), strict=True):
        assert np.array_equal(one["rgb"], other["rgb"])
        assert one["flow"].shape == other["flow"].shape
        assert not np.allclose(one["flow"], other["flow"], atol=1e-2)
    assert list(with_adapted(before.seen(False), [final], stored.params.frames.num_segments).features) == [PLAIN]


def test_a_clip_has_some_of_the_adapted_steps(stored: Stored, final: Adaptation) -> None:
    params = stored.changed({"views.num_clips": 2}).params
    clips = with_adapted(
        load_features(stored.videos.rows, params, params.model.backbone), [final], params.frames.num_segments
    )
    whole = load_file(final.features)["flow"]
    for clip in (0, 1):
        assert np.array_equal(clips.features[View(clip=clip, num_clips=2)]["flow"], whole[:, clip::2])


def test_each_crop_is_adapted_to_and_seen(stored: Stored, tmp_path: Path) -> None:
    crops = stored.changed({"views.num_crops": 3, "train.mirror": False, "search.space": {}})
    files = (
        frames_files(crops.videos.rows, crops.params.frames),
        flow_files(crops.videos.rows, crops.params.frames, crops.params.flow),
    )
    for view in crops.videos.views:
        targets = feature_files(crops.videos.rows, crops.params, crops.params.model.backbone, view=view)
        for paths in zip(*files, targets, strict=True):
            extract_features(FeatureTask(*paths, crops.params.model.backbone, crops.params.features, view))
    features = load_file(crops.adapted(FINAL, tmp_path).features)
    assert sorted(features) == ["flow.crop0", "flow.crop1", "flow.crop2"]
    assert not np.array_equal(features["flow.crop0"], features["flow.crop2"])


@pytest.mark.parametrize(("what", "frozen_part"), [("last_stage", True), ("all", False)])
def test_only_what_is_unfrozen_changes(stored: Stored, tmp_path: Path, what: str, frozen_part: bool) -> None:
    of = stored.changed({"features.adaptation.unfreeze": what})
    adapted = load_backbone(of.adapted(FINAL, tmp_path, cut=what == "last_stage"), of.params)
    whole = frozen(adapted.name, "flow", of.params)
    changed = {n for n, t in adapted.network.state_dict().items() if not torch.equal(t, whole.network.state_dict()[n])}
    assert any(name.startswith("layer4.") for name in changed)
    assert all(name.startswith("layer4.") for name in changed) is frozen_part
    assert not any("running" in name for name in changed)


def test_where_nothing_is_mirrored_videos_are_seen_as_they_are_alone(stored: Stored, tmp_path: Path) -> None:
    plain = stored.changed({"search.space": {}, "train.mirror": False}).adapted(FINAL, tmp_path / "plain")
    both = stored.adapted(FINAL, tmp_path / "both")
    assert set(load_file(plain.features)) == {"flow"}
    assert set(load_file(both.features)) == {"flow", "flow.mirrored"}
    assert plain.key != both.key


def test_changed_clips_give_other_features(stored: Stored, final: Adaptation, tmp_path: Path) -> None:
    of = stored.changed({"features.adaptation.augment": 0.5})
    assert make_map_files(of.videos, final.backbone, "flow", tmp_path) == {}
    changed = of.adapted(0, tmp_path, cut=False)
    assert not np.array_equal(load_file(changed.features)["flow"], load_file(final.features)["flow"])


def test_a_missing_file_is_named(stored: Stored, tmp_path: Path) -> None:
    missing = stored.adaptation(FINAL, tmp_path)
    with pytest.raises(StoreError, match=rf"{missing.key}\.weights.* must hold an adapted backbone"):
        load_backbone(missing, stored.params)
    with pytest.raises(StoreError, match=rf"{missing.key}.*remove what is there and run `dvc repro`"):
        with_adapted(stored.videos.features(missing.backbone), [missing], stored.params.frames.num_segments)


# What they are good for.


def pulled(number: int, label: str) -> np.ndarray:
    """Return frames whose sides move apart or together, at a seam that is anywhere, while the whole drifts anyhow.

    No place tells by its own motion which it is.
    """
    rng = np.random.default_rng(number)
    still = rng.integers(0, 256, (16, 20, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    seam, drift, pull = int(rng.integers(28, 52)), int(rng.integers(-2, 3)), {"apart": 2, "together": -2}[label]
    left, right = np.roll(still, drift - pull, axis=1), np.roll(still, drift + pull, axis=1)
    step = np.stack([still, np.concatenate([left[:, :seam], right[:, seam:]], axis=1)])
    return np.stack([step, step])


def test_where_motion_decides_adapted_flow_validates_better_than_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = {"num_epochs": 20, "lr": 3e-3}
    params = apply_values(
        tiny_params(write_tiny_weights(tmp_path / "tiny.safetensors")),
        {
            **{f"features.adaptation.{name}": value for name, value in values.items()},
            "model.fusion": "flow",
            "model.pooling": "mean",
            "model.attention.depth": 0,
            "train.num_epochs": 8,
            "train.lr": 1e-3,
        },
    )
    rows = store_videos(params, num_training=20, num_test=0, labels=["apart", "together"], draw=pulled)
    of = Stored(params, rows, tmp_path)
    before = of.videos.features(params.model.backbone)
    made = [of.adapted(fold, tmp_path / str(fold)) for fold in (0, 1)]
    after = [with_adapted(before, [adaptation], params.frames.num_segments) for adaptation in made]
    folds = [left_out(adaptation, len(rows)) for adaptation in made]
    top1 = [
        np.mean([(f.probabilities.argmax(1) == before.labels[f.positions]).mean() for f in validated])
        for validated in (
            cross_validate(seen, folds, params.model, params.train, 0) for seen in (before, after.__getitem__)
        )
    ]
    assert top1[0] < 0.8
    assert top1[1] > 0.9
