"""Crops, clips and the mirror together: drawn in training, averaged in every answer, the same in service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from stored_project import BACKBONE, store_videos, stored_params

from varml.config import Params
from varml.config.params import Model, Train
from varml.config.space import apply_values, searched_views
from varml.config.views import PLAIN, View, list_views, stored_views
from varml.data.dataset import FeatureSet
from varml.data.sample import make_sample
from varml.flow.store import FlowTask, extract_flow, flow_files
from varml.ground.content_key import file_digest
from varml.inference.predictor import Predictor
from varml.models.backbones import build_backbone
from varml.models.feature_files import feature_files
from varml.models.features import FeatureTask, extract_features
from varml.models.model_files import LoadedModel, load_model, save_model
from varml.training.augmented import AugmentedFeatures, AugmentedImages
from varml.training.baseline import fit_baseline, predict_baseline
from varml.training.batches import Draw, StoredFeatures
from varml.training.cross_validation import cross_validate
from varml.training.data import list_clips, load_features, load_searched, load_views
from varml.training.evaluation import score_test_split
from varml.training.final_model import train_model
from varml.training.loop import fit, predict
from varml.training.model_inputs import load_inputs
from varml.training.refit import Member
from varml.training.served import Served
from varml.video.frames import FrameTask, extract_frames, frames_files
from varml.video.probe import clip_of, probe_video

BOTH = ("rgb", "flow")
PARAMS = apply_values(
    stored_params(), {"views.num_crops": 3, "views.mirror": "both", "views.num_clips": 2, "train.mirror": True}
)
ALTERNATE = apply_values(PARAMS, {"views.mirror": "alternate"})
VIEWS = list_views(PARAMS.views, mirror=True)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pd.DataFrame]:
    """The manifest of a project whose videos are stored in six crops, and which is the current folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("stored"))
        yield store_videos(PARAMS)


@pytest.fixture
def data(manifest: pd.DataFrame) -> FeatureSet:
    return load_features(manifest, PARAMS, BACKBONE, mirrored=True)


def made(manifest: pd.DataFrame, params: Params) -> LoadedModel:
    training = manifest[manifest["split"] != "test"]
    member, served = Member(params, 1.0), Served({0: 1.0}, 1.0, None, {})
    return train_model(training, params, [member], served, lambda place, epoch, metrics: None)


def held_out(manifest: pd.DataFrame) -> pd.DataFrame:
    return manifest[manifest["split"] == "test"]


# What is stored.


def test_features_come_in_all_views_and_clips_share_the_steps(manifest: pd.DataFrame, data: FeatureSet) -> None:
    assert list(data.features) == VIEWS
    assert len(VIEWS) == 12
    assert data.num_steps == {"rgb": 1, "flow": 1}  # one of two segments
    stored = [View(crop, mirrored=mirrored) for crop in range(3) for mirrored in (False, True)]
    whole = load_views(manifest[manifest["split"] == "train"], PARAMS, BACKBONE, stored)
    for view, seen in data.features.items():
        for stream, values in seen.items():
            assert np.array_equal(values, whole[view.of_all_segments][stream][:, view.clip : view.clip + 1])
    assert len({seen["rgb"].tobytes() for seen in data.features.values()}) == len(VIEWS)


# Training.


def test_a_batch_shows_each_video_in_any_of_its_views_under_its_class_there(data: FeatureSet) -> None:
    draws = [Draw(epoch, 0, torch.arange(len(data))) for epoch in range(40)]
    counts: Counter[View] = Counter()
    for batch in StoredFeatures(data, seed=3).batches(iter(draws), BOTH):
        for row, (rgb, flow) in enumerate(zip(batch.inputs["rgb"], batch.inputs["flow"], strict=True)):
            (view,) = [view for view, seen in data.features.items() if np.array_equal(seen["rgb"][row], rgb)]
            assert np.array_equal(data.features[view]["flow"][row], flow)
            assert batch.targets[row] == data.labels_in(view)[row]
            counts[view] += 1
    expected = 40 * len(data) / len(VIEWS)
    assert all(0.6 * expected < counts[view] < 1.4 * expected for view in VIEWS)


@pytest.fixture
def images(manifest: pd.DataFrame) -> AugmentedImages:
    backbone = build_backbone(BACKBONE, PARAMS.features.image_size_px, {})
    shared = dict.fromkeys(BOTH, backbone)
    return AugmentedImages(list_clips(manifest, PARAMS), shared, PARAMS.features, 0.0, 3, 0, VIEWS)


def test_pixels_are_seen_in_the_views_in_which_stored_features_are(data: FeatureSet, images: AugmentedImages) -> None:
    draws = [Draw(epoch, 0, torch.arange(len(data))) for epoch in range(3)]
    stored = StoredFeatures(data, seed=3).batches(iter(draws), BOTH)
    seen = AugmentedFeatures(images).batches(iter(draws), BOTH)
    for one, other in zip(stored, seen, strict=True):
        assert torch.equal(one.targets, other.targets.argmax(1))
        for stream in BOTH:
            # Those that are stored were computed together with those of the other clip.
            assert other.inputs[stream].numpy() == pytest.approx(one.inputs[stream].numpy(), rel=1e-2, abs=1e-2)


def test_pixels_are_changed_before_they_are_seen_in_a_view(images: AugmentedImages) -> None:
    draw = Draw(0, 0, torch.arange(4))
    changed = replace(images, strength=0.7)
    (batch,), (again,) = (list(one.batches(iter([draw]), BOTH)) for one in (changed, replace(changed, num_workers=1)))
    assert all(torch.equal(batch.inputs[stream], again.inputs[stream]) for stream in BOTH)
    (still,) = images.batches(iter([draw]), BOTH)
    assert batch.inputs["rgb"].shape == still.inputs["rgb"].shape == (4, 1, 3, 64, 64)
    assert not torch.equal(batch.inputs["rgb"], still.inputs["rgb"])


# Answers.


def test_every_answer_is_the_mean_over_all_views(data: FeatureSet, model: Model, train: Train) -> None:
    recognizer, baseline = fit(data, model, train, seed=0), fit_baseline(data)
    for ask in (lambda seen: predict(recognizer, seen), lambda seen: predict_baseline(baseline, seen)):
        alone = [
            said[:, data.mirror] if view.mirrored else said
            for view, seen in data.features.items()
            for said in [ask(replace(data, features={PLAIN: seen}))]
        ]
        assert ask(data) == pytest.approx(np.mean(alone, axis=0), abs=1e-6)
        assert not np.allclose(alone[0], ask(data))


def test_mirrored_videos_get_mirrored_answers_to_the_last_bit(data: FeatureSet, model: Model, train: Train) -> None:
    recognizer = fit(data, model, train, seed=0)
    turned = {view: data.features[replace(view, mirrored=not view.mirrored)] for view in VIEWS}
    assert data.mirror == [0, 2, 1]  # down, left, right
    expected = predict(recognizer, data)[:, data.mirror]
    assert np.array_equal(predict(recognizer, replace(data, features=turned)), expected)


@pytest.mark.parametrize("depth", [0, 1])
def test_clips_of_videos_in_which_nothing_changes_all_answer_alike(model: Model, train: Train, depth: int) -> None:
    rng, num_videos, shape = np.random.default_rng(0), 12, (12, 1, 4, 5)
    step = {stream: rng.normal(size=shape).astype(np.float16) for stream in BOTH}
    names, views = [str(n) for n in range(num_videos)], [View(clip=clip, num_clips=3) for clip in range(3)]
    still = {view: {stream: values.repeat(2, axis=1) for stream, values in step.items()} for view in views}
    data = FeatureSet(names, still, np.arange(num_videos) % 3, names, ["a", "b", "c"])
    attention = model.attention.model_copy(update={"depth": depth})
    recognizer = fit(data, model.model_copy(update={"attention": attention}), train, seed=0)
    one = replace(data, features={views[0]: still[views[0]]})
    assert np.array_equal(predict(recognizer, data), predict(recognizer, one))


@pytest.mark.parametrize("params", [PARAMS, ALTERNATE], ids=["both", "alternate"])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_trial_sees_its_own_views_of_those_that_the_search_reads(
    manifest: pd.DataFrame, model: Model, train: Train, params: Params, mirror: bool
) -> None:
    folds, values = [np.arange(0, 6), np.arange(6, 12)], train.model_copy(update={"mirror": mirror})
    alone = load_features(manifest, params, BACKBONE, mirrored=mirror)
    assert list(alone.features) == list_views(params.views, mirror)
    found, expected = (
        np.concatenate([fold.probabilities for fold in cross_validate(data, folds, model, values, 0)])
        for data in (load_searched(manifest, params, BACKBONE), alone)
    )
    assert np.array_equal(found, expected)


# What is served.


@pytest.mark.parametrize("fusion", ["concat", "late", "flow"])
def test_what_is_validated_is_what_is_served(manifest: pd.DataFrame, data: FeatureSet, fusion: str) -> None:
    params = apply_values(PARAMS, {"model.fusion": fusion})
    model = made(manifest, params)
    test = load_features(manifest, params, BACKBONE, ("test",), mirrored=True)
    alone = fit(data, params.model, params.train, seed=params.seed)
    said = model.ensemble.predict(load_inputs(held_out(manifest), params, model))
    assert said == pytest.approx(predict(alone, test), abs=1e-6)
    assert np.array_equal(score_test_split(manifest, params, model, BACKBONE).model, said)


def test_a_final_training_on_pixels_sees_the_views_of_the_trials(manifest: pd.DataFrame) -> None:
    """So weak a change is none, and the training that of stored features but for the rounding of other batches."""
    pixels = apply_values(PARAMS, {"train.augment": 1e-9, "train.checkpoint_every": 0, "engine.num_workers": 1})
    rows, answers = held_out(manifest), []
    for model in (made(manifest, pixels), made(manifest, PARAMS)):
        answers.append(model.ensemble.predict(load_inputs(rows, PARAMS, model)))
    assert answers[0] == pytest.approx(answers[1], abs=1e-3)


@pytest.mark.parametrize("params", [PARAMS, ALTERNATE], ids=["both", "alternate"])
def test_the_model_remembers_its_views(manifest: pd.DataFrame, tmp_path: Path, params: Params) -> None:
    saved, views = made(manifest, params), list_views(params.views, mirror=True)
    save_model(tmp_path / "model", saved)
    loaded = load_model(tmp_path / "model")
    (member,) = loaded.description.members
    assert loaded.description.views_of(member) == list(loaded.ensemble.members[0].views) == views
    assert (member.num_steps, loaded.description.preprocessing.views) == ({"rgb": 1, "flow": 1}, params.views)
    inputs = load_inputs(held_out(manifest), params, loaded)
    assert len(inputs) == len(views) * len(BOTH)
    assert np.array_equal(loaded.ensemble.predict(inputs), saved.ensemble.predict(inputs))


def stored_videos(folder: Path, params: Params) -> tuple[pd.DataFrame, list[Path]]:
    """Store four real videos of two classes, as the stages do, and return their manifest and their files."""
    videos = [
        Path(file) for file in make_sample(folder, actions=["walk_left", "wave"], num_persons=2, clips_per_person=1)
    ]
    rows = pd.DataFrame({
        "video_id": [video.stem for video in videos], "label": [video.parent.name for video in videos],
        "path": [video.name for video in videos], "digest": [file_digest(video) for video in videos],
        "group": "one", "reader": "pyav", "start_sec": "", "end_sec": "", "fps": 25.0, "split": "train",
    })  # fmt: skip
    rows.loc[rows.index[1::2], "split"] = "test"  # another person
    frames, flow = frames_files(rows, params.frames), flow_files(rows, params.frames, params.flow)
    for video, *paths in zip(videos, frames, flow, strict=True):
        extract_frames(FrameTask(clip_of(video, probe_video(video, params.ingest.probe)), paths[0], params.frames))
        extract_flow(FlowTask(*paths, params.flow))
    for view in stored_views(searched_views(params)):
        targets = feature_files(rows, params, BACKBONE, view=view)
        for files in zip(frames, flow, targets, strict=True):
            extract_features(FeatureTask(*files, BACKBONE, params.features, view))
    return rows, videos


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"views.mirror": "alternate"},
        {"train.unfreeze": "last_stage", "train.finetune.num_epochs": 1, "train.checkpoint_every": 0},
    ],
)
def test_raw_video_gets_the_answer_of_evaluate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, object]
) -> None:
    monkeypatch.chdir(tmp_path)
    params = apply_values(PARAMS, {"frames.short_side_px": 48, "features.flow_images": "both", **values})
    rows, videos = stored_videos(tmp_path / "videos", params)
    model = made(rows, params)
    save_model(tmp_path / "model", model)
    scored = score_test_split(rows, params, model, BACKBONE)
    predictor = Predictor.load(tmp_path / "model")
    for video, evaluated in zip(videos[1::2], scored.model, strict=True):
        served = predictor.predict_file(video).probabilities
        assert [served[name] for name in scored.classes] == pytest.approx(evaluated.tolist(), abs=1e-5)
