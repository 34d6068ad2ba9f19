"""From the bytes of a video to an answer, by a model that is small and whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_model
from tiny_model import CLASSES, TINY

from varml.data.sample import make_sample
from varml.inference.predictor import Prediction, Predictor
from varml.models.model_files import LoadedModel, load_model, save_model


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    (made, *_) = make_sample(folder, actions=["wave"], num_persons=1, clips_per_person=1)
    return Path(made)


def model_of(num_members: int, temperature: float = 1.0, unknown_below: float | None = None) -> LoadedModel:
    """Return members with different weights on the shipped frames and flow."""
    params = tiny_model.timeless_params().model_copy(update={"fusion": "late"})
    members = [(params, 1 / num_members, {}, seed) for seed in range(num_members)]
    return tiny_model.build_ensemble({TINY: tiny_model.tiny_backbone()}, members, temperature, unknown_below)


@pytest.fixture(scope="module")
def single(video: Path) -> Prediction:
    return Predictor(model_of(1)).predict_file(video)


def test_an_answer_has_every_class_the_most_probable_first(single: Prediction) -> None:
    values = list(single.probabilities.values())
    assert set(single.probabilities) == set(CLASSES)
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1, abs=1e-6)
    assert (single.label, single.probability) == next(iter(single.probabilities.items()))


def test_several_members_answer_as_one_also_from_a_folder(video: Path, tmp_path: Path) -> None:
    several = model_of(3)
    save_model(tmp_path / "model", several)
    answer = Predictor(load_model(tmp_path / "model")).predict_file(video)
    alone = []
    for recognizer in several.recognizers:
        one = model_of(1)
        alone.append(Predictor(LoadedModel(one.description, one.backbones, [recognizer])).predict_file(video))
    for name in CLASSES:
        expected = np.mean([prediction.probabilities[name] for prediction in alone])
        assert answer.probabilities[name] == pytest.approx(expected, abs=1e-6)
    assert len({prediction.probability for prediction in alone}) == 3


@pytest.mark.parametrize("share", [0.99, 1.01])
def test_a_model_that_is_not_sure_enough_says_unknown_and_what_it_thinks(
    video: Path, single: Prediction, share: float
) -> None:
    threshold = single.probability * share
    answer = Predictor(model_of(1, unknown_below=threshold)).predict_file(video)
    assert answer.label == (single.label if share < 1 else "unknown")
    assert answer.probabilities == single.probabilities
    assert answer.probability == single.probability


def test_probabilities_are_calibrated(video: Path, single: Prediction) -> None:
    roots = {name: p**0.5 for name, p in single.probabilities.items()}
    warm = Predictor(model_of(1, temperature=2.0)).predict_file(video)
    for name, root in roots.items():
        assert warm.probabilities[name] == pytest.approx(root / sum(roots.values()), abs=1e-6)


def test_bytes_are_as_good_as_a_file(video: Path, single: Prediction) -> None:
    (answer,) = Predictor(model_of(1)).predict_bytes([video.read_bytes()])
    assert answer == single
