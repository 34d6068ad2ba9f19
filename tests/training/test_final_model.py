"""The model that is served, made of stored videos, and what it says of the test videos by every way."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from stored_project import BACKBONE, store_videos, stored_params

from varml.config import Params
from varml.config.space import apply_values
from varml.errors import ModelError
from varml.metrics.calibration import expected_calibration_error
from varml.models.description import BackboneDescription
from varml.models.model_files import LoadedModel, load_model, model_digest, save_model
from varml.training.data import load_features
from varml.training.evaluation import score_test_split
from varml.training.final_model import Member, train_model
from varml.training.loop import fit, predict
from varml.training.model_inputs import load_inputs
from varml.training.served import Served

PARAMS = stored_params()


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pd.DataFrame]:
    """The manifest of a stored project, which is the current folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("stored"))
        yield store_videos(PARAMS)


def served(weights: list[float], temperature: float = 1.0, unknown_below: float | None = None) -> Served:
    return Served(dict(enumerate(weights)), temperature, unknown_below, {})


def made(manifest: pd.DataFrame, members: list[Member], **options: float) -> LoadedModel:
    training = manifest[manifest["split"] != "test"]
    shares = [member.weight for member in members]
    return train_model(training, PARAMS, members, served(shares, **options), lambda place, epoch, metrics: None)


def with_values(**values: object) -> Params:
    return apply_values(PARAMS, {key.replace("__", "."): value for key, value in values.items()})


@pytest.fixture(scope="module")
def single(manifest: pd.DataFrame) -> LoadedModel:
    return made(manifest, [Member(PARAMS, 1.0)])


@pytest.fixture(scope="module")
def several(manifest: pd.DataFrame) -> LoadedModel:
    flow = with_values(model__fusion="flow", train__lr=0.003)
    return made(manifest, [Member(PARAMS, 0.6), Member(flow, 0.4)], temperature=0.8)


def held_out(manifest: pd.DataFrame) -> pd.DataFrame:
    return manifest[manifest["split"] == "test"]


@pytest.mark.parametrize("mirror", [True, False])
def test_an_ensemble_of_one_is_the_single_model(manifest: pd.DataFrame, mirror: bool) -> None:
    params = with_values(train__mirror=mirror)
    training, test = (
        load_features(manifest, PARAMS, BACKBONE, (split,), mirrored=mirror) for split in ("train", "test")
    )
    alone, single = fit(training, params.model, params.train, seed=params.seed), made(manifest, [Member(params, 1.0)])
    assert all(torch.equal(tensor, single.recognizers[0].state_dict()[k]) for k, tensor in alone.state_dict().items())
    said = single.ensemble.predict(load_inputs(held_out(manifest), PARAMS, single))
    assert said == pytest.approx(predict(alone, test), abs=1e-6)  # the mean of two views is taken in logarithms
    assert mirror or np.array_equal(said, predict(alone, test))


def test_the_best_member_of_several_is_trained_as_it_is_alone(single: LoadedModel, several: LoadedModel) -> None:
    one, first = single.recognizers[0].state_dict(), several.recognizers[0].state_dict()
    assert all(torch.equal(tensor, first[name]) for name, tensor in one.items())
    assert list(several.backbones) == [BACKBONE]
    both, flow = several.description.members
    assert (both.backbones, flow.backbones) == ({"rgb": BACKBONE, "flow": BACKBONE}, {"flow": BACKBONE})
    assert (both.model.fusion, flow.model.fusion) == ("late", "flow")
    assert (both.weight, flow.weight) == (0.6, 0.4)


def test_epochs_are_told_with_the_place_of_their_member(manifest: pd.DataFrame) -> None:
    told: list[tuple[int, int]] = []
    members = [Member(PARAMS, 0.5), Member(with_values(train__num_epochs=2), 0.5)]
    training = manifest[manifest["split"] != "test"]
    train_model(training, PARAMS, members, served([0.5, 0.5]), lambda place, epoch, _: told.append((place, epoch)))
    assert told == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]


def test_what_was_fitted_out_of_fold_is_in_the_saved_model(manifest: pd.DataFrame, tmp_path: Path) -> None:
    late = with_values(model__fusion="late")
    save_model(tmp_path / "model", made(manifest, [Member(late, 1.0, {"rgb_weight": 0.25})]))
    assert load_model(tmp_path / "model").recognizers[0].fusion.rgb_weight == 0.25


def test_making_it_twice_gives_the_same_bytes(manifest: pd.DataFrame, single: LoadedModel, tmp_path: Path) -> None:
    save_model(tmp_path / "one", single)
    save_model(tmp_path / "two", made(manifest, [Member(PARAMS, 1.0)]))
    assert model_digest(tmp_path / "one") == model_digest(tmp_path / "two")


def test_a_class_named_unknown_leaves_no_word_for_a_withheld_answer(manifest: pd.DataFrame) -> None:
    renamed = manifest.replace({"label": {"down": "unknown"}})
    with pytest.raises(ModelError, match=r"a class is named 'unknown', as is the answer of train\.min_precision"):
        made(renamed, [Member(PARAMS, 1.0)], unknown_below=0.5)


# The test split.


def own_backbone(model: LoadedModel, change: float = 0.0) -> LoadedModel:
    """Return the model with the backbone of flow as one of its own, changed by so much."""
    own = copy.deepcopy(model.backbones[BACKBONE])
    with torch.no_grad():
        next(own.network.parameters()).add_(change)
    members = [
        member.model_copy(update={"backbones": {**member.backbones, "flow": "tuned.flow"}})
        for member in model.description.members
    ]
    backbones = {"tuned.flow": BackboneDescription(name=BACKBONE), **model.description.backbones}
    description = model.description.model_copy(update={"members": members, "backbones": backbones})
    return LoadedModel(description, {**model.backbones, "tuned.flow": own}, model.recognizers)


def test_features_of_its_own_backbone_are_those_that_are_stored_of_the_frozen_one(
    manifest: pd.DataFrame, several: LoadedModel
) -> None:
    stored = load_inputs(held_out(manifest), PARAMS, several)
    computed = load_inputs(held_out(manifest), PARAMS, own_backbone(several))
    tuned = {one: values for one, values in computed.items() if one.backbone == "tuned.flow"}
    assert {(one.stream, one.view.name) for one in tuned} == {("flow", ""), ("flow", "mirrored")}
    for one, values in tuned.items():
        assert values.tobytes() == stored[one._replace(backbone=BACKBONE)].tobytes()
    assert np.array_equal(own_backbone(several).ensemble.predict(computed), several.ensemble.predict(stored))


def test_a_backbone_of_its_own_is_the_one_that_looks(manifest: pd.DataFrame, several: LoadedModel) -> None:
    rows = held_out(manifest)
    changed = own_backbone(several, change=0.5)
    said = changed.ensemble.predict(load_inputs(rows, PARAMS, changed))
    assert not np.allclose(said, several.ensemble.predict(load_inputs(rows, PARAMS, several)))


def test_the_figures_are_those_of_the_calibrated_probabilities(manifest: pd.DataFrame, several: LoadedModel) -> None:
    scores = score_test_split(manifest, PARAMS, several, BACKBONE)
    inputs = load_inputs(held_out(manifest), PARAMS, several)
    assert np.array_equal(scores.model, several.ensemble.predict(inputs))
    metrics = scores.metrics(0.95)
    assert metrics["num_videos"] == 6
    assert metrics["top1"] == (scores.model.argmax(1) == scores.labels).mean()
    assert metrics["ece"] == expected_calibration_error(scores.labels, scores.model)
    plain = several.ensemble.predict(inputs, calibrated=False)
    assert metrics["ece_uncalibrated"] == expected_calibration_error(scores.labels, plain)
    assert metrics["coverage"] == 1
    assert metrics["selective_top1"] == metrics["top1"]


def test_answers_that_are_withheld_are_told_beside_the_predictions(manifest: pd.DataFrame, single: LoadedModel) -> None:
    confidence = np.sort(single.ensemble.predict(load_inputs(held_out(manifest), PARAMS, single)).max(1))
    description = single.description.model_copy(update={"unknown_below": float(confidence[2])})
    scores = score_test_split(
        manifest, PARAMS, LoadedModel(description, single.backbones, single.recognizers), BACKBONE
    )
    predictions = scores.predictions()
    assert (predictions["answer"] == "unknown").sum() == 2
    known = predictions["answer"] != "unknown"
    assert (predictions["answer"] == predictions["predicted"])[known].all()
    assert predictions["path"].tolist() == held_out(manifest)["path"].tolist()
    assert scores.metrics(0.95)["coverage"] == pytest.approx(4 / 6)
    right = (predictions["predicted"] == predictions["label"])[known]
    assert scores.metrics(0.95)["selective_top1"] == pytest.approx(right.mean())
