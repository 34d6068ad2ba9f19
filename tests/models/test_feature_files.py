"""The names of feature files: another name for everything that changes the features, and for nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from varml.config import Params, load_params
from varml.config.space import apply_values
from varml.config.views import View
from varml.ground.content_key import content_key
from varml.models.feature_files import VERSION, feature_files
from varml.models.weights import weights_identity

SHIPPED = Path(__file__).parents[2] / "params.yaml"
LITE0, TINY = "tf_efficientnet_lite0", "test_resnet"
MANIFEST = pd.DataFrame(
    {"digest": ["a", "b"], "reader": ["decord", "pyav"], "start_sec": "", "end_sec": "", "fps": 25.0}
)


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(SHIPPED)


def names(params: Params, backbone: str = LITE0) -> list[str]:
    return [path.name for path in feature_files(MANIFEST, params, backbone)]


def test_files_lie_in_a_folder_for_each_backbone(params: Params) -> None:
    files = feature_files(MANIFEST, params, LITE0, root=Path("/project"))
    assert {file.parent for file in files} == {Path(f"/project/data/features/{LITE0}")}
    assert len(set(files)) == 2
    assert {file.suffix for file in files} == {".safetensors"}


def test_those_of_a_video_in_a_mirror_lie_in_files_of_their_own(params: Params) -> None:
    turned = {path.name for path in feature_files(MANIFEST, params, LITE0, view=View(mirrored=True))}
    assert len(turned) == 2
    assert not turned & set(names(params))
    assert names(apply_values(params, {"train.mirror": not params.train.mirror})) == names(params)


def test_each_crop_has_a_file_of_its_own_as_it_is_and_in_a_mirror_and_a_clip_has_none(params: Params) -> None:
    views = [View(crop, mirrored=mirrored) for crop in (None, 0, 1, 2) for mirrored in (False, True)]
    files = {file for view in views for file in feature_files(MANIFEST, params, LITE0, view=view)}
    assert len(files) == 2 * len(views)
    of_clip = View(crop=1, clip=2, num_clips=3, mirrored=True)
    assert feature_files(MANIFEST, params, LITE0, view=of_clip) == feature_files(MANIFEST, params, LITE0, view=views[5])


def test_the_names_of_whole_frames_know_nothing_of_crops(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stored before there were crops is still found."""
    monkeypatch.setattr("varml.models.feature_files.flow_keys", lambda *_: ["one"])
    values, weights = params.features.frozen.model_dump(exclude={"weights"}), weights_identity(TINY, {})
    plain, mirrored = (
        content_key(flow="one", backbone=TINY, weights=weights, features=values, version=VERSION, **more)
        for more in ({}, {"mirrored": True})
    )
    assert names(params, TINY) == [f"{plain}.safetensors"]
    (file,) = feature_files(MANIFEST, params, TINY, view=View(mirrored=True))
    assert file.name == f"{mirrored}.safetensors"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("features.image_size_px", 96),
        ("features.grid_size", 3),
        ("features.flow_images", "magnitude"),
        ("features.flow_images", "stack"),
        ("flow.estimator", "farneback"),
        ("flow.bound_px", 7.0),
        ("flow.jpeg_quality", 60),
        ("frames.num_segments", 3),
        ("frames.jpeg_quality", 60),
        ("frames.illumination", "gray_world"),
    ],
)
def test_names_change_with_what_the_features_depend_on(params: Params, path: str, value: Any) -> None:
    assert not set(names(apply_values(params, {path: value}))) & set(names(params))


@pytest.mark.parametrize(
    ("path", "value"),
    [("engine.num_workers", 3), ("train.lr", 0.5), ("seed", 9), ("model.width", 64), ("ingest.val_fraction", 0.3)],
)
def test_names_stay_with_what_they_do_not_depend_on(params: Params, path: str, value: Any) -> None:
    assert names(apply_values(params, {path: value})) == names(params)


def test_names_change_with_the_backbone(params: Params) -> None:
    assert not set(names(params, "tf_efficientnet_lite1")) & set(names(params))


def test_names_change_with_the_content_of_a_weights_file(params: Params, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    named = apply_values(params, {"features.weights": {TINY: str(path)}})
    path.write_bytes(b"one")
    one = names(named, TINY)
    assert names(named, TINY) == one
    path.write_bytes(b"two")
    assert not set(names(named, TINY)) & {*one, *names(params, TINY)}


def test_naming_one_backbones_weights_leaves_the_others_files(params: Params, tmp_path: Path) -> None:
    (tmp_path / "weights.safetensors").write_bytes(b"one")
    named = apply_values(params, {"features.weights": {TINY: str(tmp_path / "weights.safetensors")}})
    assert names(named, LITE0) == names(params, LITE0)
