"""A fold trained from pixels: it is the final training on fewer videos, and what it validates teaches it nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adapting_project import Stored, stored_for_adapting

from varml.config.space import apply_values
from varml.data.validation import make_validation
from varml.errors import StoreError, TrainingError
from varml.models.description import Description
from varml.training.adaptations import adaptations_of, list_adaptations
from varml.training.checkpoint import Checkpoint
from varml.training.cross_validation import FoldResult, cross_validate
from varml.training.data import load_features
from varml.training.end_to_end import EndToEndTask, validate_end_to_end
from varml.training.final_model import train_model
from varml.training.model_inputs import load_inputs
from varml.training.refit import Member
from varml.training.served import Served
from varml.training.stream_weight import mix_streams

VALUES = {
    "features.adapt": "none", "model.fusion": "concat", "train.precision": "float32", "train.finetune.num_epochs": 2,
    "train.finetune.batch_size": 4, "train.finetune.lr": 1e-2, "train.checkpoint_every": 1,
}  # fmt: skip
TUNED = {"train.unfreeze": "last_stage"}
CHANGED = {"train.augment": 0.5}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    with stored_for_adapting(tmp_path_factory.mktemp("end_to_end")) as made:
        yield made.changed(VALUES)


def task_of(stored: Stored, values: dict[str, Any], fold: int = 0, **given: Any) -> EndToEndTask:
    folds, _ = make_validation(stored.rows, stored.params)
    return EndToEndTask(stored.rows, apply_values(stored.params, values), fold, folds[fold], root=stored.root, **given)


@pytest.fixture(scope="module")
def tuned(stored: Stored) -> FoldResult:
    return validate_end_to_end(task_of(stored, TUNED))


def test_a_fold_without_pixels_is_that_of_a_trial(stored: Stored) -> None:
    folds, _ = make_validation(stored.rows, stored.params)
    params, found = stored.params, validate_end_to_end(task_of(stored, {}, fold=1))
    data = load_features(stored.rows, params, params.model.backbone, mirrored=True, root=stored.root)
    trial = list(cross_validate(data, folds, params.model, params.train, params.seed))[1]
    assert np.array_equal(found.probabilities, trial.probabilities)
    assert found.positions.tolist() == folds[1].tolist()


@pytest.mark.parametrize("values", [TUNED, {"train.unfreeze": "all"}, CHANGED, {**TUNED, **CHANGED}])
def test_pixels_change_what_is_said(stored: Stored, values: dict[str, Any]) -> None:
    plain, found = validate_end_to_end(task_of(stored, {})), validate_end_to_end(task_of(stored, values))
    assert np.isfinite(found.probabilities).all()
    assert found.probabilities.sum(1) == pytest.approx(1, abs=1e-5)
    assert not np.allclose(found.probabilities, plain.probabilities)


def test_the_epochs_on_features_are_told_before_those_on_pixels(stored: Stored, tuned: FoldResult) -> None:
    train = stored.params.train
    assert len(tuned.epochs) == train.num_epochs + train.finetune.num_epochs
    assert all(np.isfinite(metrics["train_loss"]) for metrics in tuned.epochs)


def test_it_is_the_final_training_of_the_same_videos(
    stored: Stored, tuned: FoldResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stored.root)
    task = task_of(stored, {**TUNED, "train.checkpoint_every": 0})
    training = stored.rows.iloc[task.training].reset_index(drop=True)
    member = Member(task.params, 1.0, confirmed=True)
    model = train_model(training, stored.params, [member], Served({0: 1.0}, 1.0, None, {}), lambda *_: None)
    assert isinstance(model.description, Description)
    validated = stored.rows.iloc[task.positions]
    said = model.ensemble.predict(load_inputs(validated, stored.params, model))
    assert said == pytest.approx(tuned.probabilities, abs=1e-5)


def test_a_weight_of_the_streams_that_was_fitted_on_confirmed_ones_comes_after_training(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stored.root)
    task = task_of(stored, {**TUNED, "model.fusion": "late", "train.checkpoint_every": 0})
    streams = validate_end_to_end(task).streams
    training, validated = (stored.rows.iloc[at].reset_index(drop=True) for at in (task.training, task.positions))

    def said(confirmed: bool) -> np.ndarray:
        member = Member(task.params, 1.0, {"rgb_weight": 0.9}, confirmed)
        model = train_model(training, stored.params, [member], Served({0: 1.0}, 1.0, None, {}), lambda *_: None)
        return model.ensemble.predict(load_inputs(validated, stored.params, model))

    assert streams is not None
    validated_as = mix_streams(streams, 0.9)
    # Both views of a video are mixed before they are averaged, which is the same.
    assert said(confirmed=True) == pytest.approx(validated_as, abs=1e-4)
    assert said(confirmed=False) != pytest.approx(validated_as, abs=1e-4)


def test_what_is_validated_teaches_nothing(stored: Stored, tuned: FoldResult) -> None:
    task = task_of(stored, {**TUNED, "train.balance": "weights"})
    labels = stored.rows["label"].to_numpy(copy=True)
    labels[task.positions] = np.roll(labels[task.positions], 1)
    assert (labels != stored.rows["label"]).sum() > 1
    before, after = (
        validate_end_to_end(replace(task, rows=rows)) for rows in (stored.rows, stored.rows.assign(label=labels))
    )
    assert np.array_equal(before.probabilities, after.probabilities)
    assert before.epochs == after.epochs
    # The labels of what is trained on do count.
    labels[task.training] = np.roll(labels[task.training], 1)
    other = validate_end_to_end(replace(task, rows=stored.rows.assign(label=labels)))
    assert not np.allclose(before.probabilities, other.probabilities)


def test_the_streams_of_late_fusion_are_told_apart(stored: Stored, tuned: FoldResult) -> None:
    assert tuned.streams is None
    late = validate_end_to_end(task_of(stored, {**TUNED, "model.fusion": "late"}))
    assert late.streams is not None
    assert late.probabilities == pytest.approx((late.streams["rgb"] + late.streams["flow"]) / 2, abs=1e-5)


def test_one_stream_needs_no_pixels_of_the_other(stored: Stored) -> None:
    found = validate_end_to_end(task_of(stored, {**TUNED, "model.fusion": "flow", "train.mirror": False}))
    assert np.isfinite(found.probabilities).all()


def test_a_training_that_is_no_number_is_an_error(stored: Stored) -> None:
    with pytest.raises(TrainingError, match="the loss is nan"):
        validate_end_to_end(task_of(stored, {**TUNED, "train.max_grad_norm": 0, "train.weight_decay": 1e30}))


def test_stored_frames_that_are_gone_are_the_machines_fault(stored: Stored, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        validate_end_to_end(replace(task_of(stored, TUNED), root=tmp_path))


def test_an_interrupted_training_goes_on(stored: Stored, tuned: FoldResult, tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "fold.checkpoint", "a")
    task = task_of(stored, TUNED, checkpoint=checkpoint)
    assert np.array_equal(validate_end_to_end(task).probabilities, tuned.probabilities)
    state = checkpoint.load()
    assert state is not None
    state["metrics"][0]["train_loss"] = 123.0
    checkpoint.save(state)
    again = validate_end_to_end(task)
    assert again.epochs[stored.params.train.num_epochs]["train_loss"] == 123.0
    assert np.array_equal(again.probabilities, tuned.probabilities)


def test_it_goes_on_from_the_adapted_backbone_of_its_fold(stored: Stored, tuned: FoldResult, tmp_path: Path) -> None:
    of = stored.changed(
        {
            "features.adapt": "flow",
            "search.confirm.top_k": 1,
            "search.confirm.space": {"train": {"unfreeze": {"choices": ["all"]}}},
        }
    )
    found = [a for a in list_adaptations(of.rows, of.params, tmp_path) if a.keeps_backbone]
    assert [one.fold for one in found] == [0, -1]
    first, last = (of.done(one, cut=False) for one in found)
    assert first.weights is not None
    assert first.weights.is_file()
    adapted = adaptations_of([first], of.params.model.backbone, 0)
    found_there = validate_end_to_end(task_of(of, TUNED, adaptations=adapted))
    assert not np.allclose(found_there.probabilities, tuned.probabilities)
    elsewhere = [replace(last, fold=0)]
    assert not np.array_equal(
        validate_end_to_end(task_of(of, TUNED, adaptations=elsewhere)).probabilities, found_there.probabilities
    )
