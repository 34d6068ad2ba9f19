"""The model that is served where backbones are adapted: it brings them along, and looks at videos with nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from stored_project import store_videos
from tiny_weights import tiny_params, write_tiny_weights

from varml.config import Params
from varml.config.space import apply_values
from varml.models.model_files import LoadedModel, load_model, save_model
from varml.training.adaptations import FINAL, adaptations_of, list_adaptations
from varml.training.adapted import load_backbone, with_adapted
from varml.training.adapting import AdaptTask, Videos, adapt, frozen
from varml.training.data import load_features
from varml.training.evaluation import score_test_split
from varml.training.final_model import Member, train_model
from varml.training.loop import fit, predict
from varml.training.model_inputs import load_inputs
from varml.training.served import Served


class Project:
    """A stored project, the current folder, whose final backbones are adapted."""

    def __init__(self, weights: Path) -> None:
        self.params = apply_values(tiny_params(weights), {"model.fusion": "concat"})
        self.name = self.params.model.backbone
        self.manifest = store_videos(self.params)
        self.rows = self.manifest[self.manifest["split"] != "test"].reset_index(drop=True)
        (self.adaptation,) = adaptations_of(list_adaptations(self.rows, self.params), self.name, FINAL)
        adapt(AdaptTask(Videos(self.rows, self.params), self.adaptation))

    @property
    def test_rows(self) -> pd.DataFrame:
        return self.manifest[self.manifest["split"] == "test"]

    def model(self, *members: Params) -> LoadedModel:
        """Return the model of ``members``, of equal shares."""
        shares = {place: 1 / len(members) for place in range(len(members))}
        made = [Member(params, 1 / len(members)) for params in members]
        return train_model(self.rows, self.params, made, Served(shares, 1.0, None, {}), lambda place, epoch, _: None)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("adapted_model")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield Project(write_tiny_weights(folder / "tiny.safetensors"))


@pytest.fixture(scope="module")
def served(project: Project) -> LoadedModel:
    flow = apply_values(project.params, {"model.fusion": "flow", "train.mirror": False})
    return project.model(project.params, flow)


def test_members_share_the_adapted_backbone_and_read_the_frozen_one_beside_it(
    project: Project, served: LoadedModel
) -> None:
    both, flow = served.description.members
    adapted = f"{project.name}.flow.adapted"
    assert both.backbones == {"rgb": project.name, "flow": adapted}
    assert flow.backbones == {"flow": adapted}
    assert set(served.backbones) == {project.name, adapted}
    assert served.description.is_frozen(project.name)
    assert not served.description.is_frozen(adapted)
    kept = load_backbone(project.adaptation, project.params).state_dict()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in served.backbones[adapted].state_dict().items())


def test_members_are_trained_on_the_adapted_features(project: Project, served: LoadedModel) -> None:
    before = load_features(project.rows, project.params, project.name, mirrored=True)
    training = with_adapted(before, [project.adaptation], project.params.frames.num_segments)
    alone = fit(training, project.params.model, project.params.train, seed=project.params.seed)
    other = fit(before, project.params.model, project.params.train, seed=project.params.seed)
    state = served.recognizers[0].state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in alone.state_dict().items())
    assert not all(torch.equal(tensor, state[name]) for name, tensor in other.state_dict().items())


def test_what_it_says_of_videos_that_it_was_trained_on_is_what_the_stored_features_say(
    project: Project, served: LoadedModel
) -> None:
    before = load_features(project.rows, project.params, project.name, mirrored=True)
    stored = with_adapted(before, [project.adaptation], project.params.frames.num_segments)
    alone = project.model(project.params)
    computed = alone.ensemble.predict(load_inputs(project.rows, project.params, alone))
    assert computed == pytest.approx(predict(alone.recognizers[0], stored), abs=1e-5)


def test_a_saved_model_answers_as_it_did(project: Project, served: LoadedModel, tmp_path: Path) -> None:
    save_model(tmp_path / "model", served)
    loaded, rows = load_model(tmp_path / "model"), project.test_rows
    said, again = (of.ensemble.predict(load_inputs(rows, project.params, of)) for of in (served, loaded))
    assert np.array_equal(said, again)
    assert np.array_equal(score_test_split(project.manifest, project.params, loaded, project.name).model, said)
    assert "adapt" not in loaded.description.preprocessing.features.model_dump()


def test_training_end_to_end_goes_on_from_the_adapted_backbone(project: Project) -> None:
    values = {"unfreeze": "last_stage", "finetune.num_epochs": 1, "precision": "float32", "checkpoint_every": 0}
    tuning = {f"train.{name}": value for name, value in values.items()}
    params = apply_values(project.params, {**tuning, "model.fusion": "flow"})
    (tuned,) = project.model(params).backbones.values()
    adapted, untouched = load_backbone(project.adaptation, params), frozen(project.name, "flow", params)

    def distance(one: torch.nn.Module, other: torch.nn.Module) -> float:
        states = one.state_dict(), other.state_dict()
        return sum(float((states[0][name] - states[1][name]).abs().sum()) for name in states[0])

    assert 0 < distance(tuned, adapted) < distance(tuned, untouched)
