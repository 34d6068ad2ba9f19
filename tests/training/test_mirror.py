"""Features of videos in a mirror: seen in training under their class there, and averaged in every prediction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from varml.config.params import Model, Train, Views
from varml.config.views import PLAIN, View
from varml.data.dataset import FeatureSet, mean_of_views
from varml.metrics.classification import accuracy
from varml.training.baseline import fit_baseline, predict_baseline
from varml.training.batches import Draw, StoredFeatures
from varml.training.cross_validation import cross_validate
from varml.training.loop import fit, predict

SWAPPED = [1, 0, 2]
MIRRORED = View(mirrored=True)
RGB = ("rgb",)


def directed(num_videos: int, seed: int, mirror: list[int]) -> FeatureSet:
    """Return features whose first value tells left (0) from right (1) by its sign, and 2 from both by being 0."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num_videos, dtype=np.int64) % 3
    signs = np.array([-1.0, 1.0, 0.0])[labels][:, None, None, None]
    views = []
    for sign in (1, -1):
        streams = {}
        for stream, num_steps in (("rgb", 2), ("flow", 3)):
            values = rng.normal(scale=0.3, size=(num_videos, num_steps, 1, 4))
            values[..., :1] += sign * signs
            streams[stream] = values.astype(np.float16)
        views.append(streams)
    names = [str(number) for number in range(num_videos)]
    features = dict(zip((PLAIN, MIRRORED), views, strict=True))
    return FeatureSet(names, features, labels, names, ["left", "right", "stand"], mirror, Views())


def alone(data: FeatureSet, view: View) -> FeatureSet:
    """Return what is seen in one view, as if it were all that there is and were seen in no mirror."""
    return replace(data, features={PLAIN: data.features[view]}, labels=data.labels_in(view))


@pytest.fixture
def train() -> Train:
    return Train(
        num_epochs=15, batch_size=8, lr=1e-2, weight_decay=0.0, label_smoothing=0.0, balance="none", augment=0,
        mirror=True,
    )  # fmt: skip


def test_views_have_the_labels_that_videos_have_in_the_mirror() -> None:
    data = directed(6, 0, SWAPPED)
    assert data.labels_in(PLAIN).tolist() == [0, 1, 2, 0, 1, 2]
    assert data.labels_in(MIRRORED).tolist() == [1, 0, 2, 1, 0, 2]
    assert list(data.seen(False).features) == [PLAIN]


def test_a_subset_keeps_its_views() -> None:
    whole = directed(6, 0, SWAPPED)
    part = whole.subset([4, 1])
    assert np.array_equal(part.features[MIRRORED]["flow"], whole.features[MIRRORED]["flow"][[4, 1]])
    assert part.labels_in(MIRRORED).tolist() == [0, 0]


def test_a_batch_shows_some_videos_in_the_mirror_under_their_class_there() -> None:
    data = directed(12, 0, SWAPPED)
    draws = [Draw(epoch, 0, torch.arange(12)) for epoch in range(20)]
    plain, mirrored = (torch.from_numpy(seen["rgb"]).float() for seen in data.features.values())
    num_mirrored = 0
    for batch in StoredFeatures(data, seed=3).batches(iter(draws), RGB):
        for row, seen in enumerate(batch.inputs["rgb"]):
            in_mirror = bool(torch.equal(seen, mirrored[row]))
            assert in_mirror or torch.equal(seen, plain[row])
            label = int(data.labels[row])
            assert batch.targets[row] == (SWAPPED[label] if in_mirror else label)
            num_mirrored += in_mirror
    assert 0.4 < num_mirrored / 240 < 0.6


def test_which_videos_are_mirrored_follows_from_the_seed_and_from_whole_batches() -> None:
    data, draw = directed(12, 0, SWAPPED), Draw(2, 1, torch.arange(12))

    def seen(seed: int, draw: Draw) -> torch.Tensor:
        return next(StoredFeatures(data, seed).batches(iter([draw]), RGB)).inputs["rgb"]

    assert torch.equal(seen(0, draw), seen(0, draw))
    assert not torch.equal(seen(0, draw), seen(1, draw))
    assert not torch.equal(seen(0, draw), seen(0, draw._replace(epoch=3)))
    rows = torch.tensor([1, 5, 6])  # what one of several processes computes
    assert torch.equal(seen(0, draw._replace(rows=rows)), seen(0, draw)[rows])


def test_the_mean_of_views_by_hand() -> None:
    plain = np.array([[0.6, 0.3, 0.1]], np.float32)
    mirrored = np.array([[0.2, 0.7, 0.1]], np.float32)
    assert mean_of_views({PLAIN: plain, MIRRORED: mirrored}, SWAPPED)[0] == pytest.approx([0.65, 0.25, 0.1])
    assert mean_of_views({PLAIN: plain}, [])[0] == pytest.approx([0.6, 0.3, 0.1])
    crops = {View(crop=number): said for number, said in enumerate((plain, plain, mirrored))}
    turned = {View(crop=number, mirrored=True): said for number, said in enumerate((mirrored, plain, plain))}
    assert mean_of_views(crops, SWAPPED)[0] == pytest.approx([1.4 / 3, 1.3 / 3, 0.1])
    assert mean_of_views(crops | turned, SWAPPED)[0] == pytest.approx([(1.4 + 1.3) / 6, (1.3 + 1.4) / 6, 0.1])


def test_swapped_classes_are_learned_and_classes_that_stay_the_same_are_not(model: Model, train: Train) -> None:
    """A mirror that turns left into right teaches the opposite, and averages it away, unless classes are swapped."""
    told, untold = (
        accuracy(testing.labels, predict(fit(directed(60, 0, mirror), model, train, seed=0), testing))
        for mirror in (SWAPPED, [0, 1, 2])
        for testing in [directed(60, 1, mirror)]
    )
    assert told > 0.95
    assert untold < 0.8


def test_a_prediction_is_the_mean_over_both_views(model: Model, train: Train) -> None:
    training, testing = directed(30, 0, SWAPPED), directed(9, 1, SWAPPED)
    recognizer = fit(training, model, train, seed=0)
    plain, mirrored = (predict(recognizer, alone(testing, view)) for view in (PLAIN, MIRRORED))
    assert predict(recognizer, testing) == pytest.approx((plain + mirrored[:, SWAPPED]) / 2)
    assert not np.allclose(plain, predict(recognizer, testing))


def test_a_video_and_its_mirror_image_get_mirrored_answers(model: Model, train: Train) -> None:
    recognizer, testing = fit(directed(30, 0, SWAPPED), model, train, seed=0), directed(9, 1, SWAPPED)
    seen = {PLAIN: testing.features[MIRRORED], MIRRORED: testing.features[PLAIN]}
    turned = replace(testing, features=seen, labels=testing.labels_in(MIRRORED))
    assert np.array_equal(predict(recognizer, turned), predict(recognizer, testing)[:, SWAPPED])


def test_without_the_mirror_its_features_are_left_alone(model: Model, train: Train) -> None:
    data, folds = directed(30, 0, [0, 1, 2]), list(np.arange(30).reshape(2, -1))
    plain = train.model_copy(update={"mirror": False})
    with_it, without = (
        np.concatenate([fold.probabilities for fold in cross_validate(data, folds, model, values, 0)])
        for values in (train, plain)
    )
    bare = np.concatenate([f.probabilities for f in cross_validate(data.seen(False), folds, model, plain, 0)])
    assert np.array_equal(without, bare)
    assert not np.array_equal(with_it, without)


def test_the_baseline_looks_into_the_mirror_too() -> None:
    training, testing = directed(30, 0, SWAPPED), directed(30, 1, SWAPPED)
    baseline = fit_baseline(training)
    assert accuracy(testing.labels, predict_baseline(baseline, testing)) > 0.7
    parts = [predict_baseline(baseline, alone(testing, view)) for view in (PLAIN, MIRRORED)]
    assert predict_baseline(baseline, testing) == pytest.approx((parts[0] + parts[1][:, SWAPPED]) / 2)
    assert not np.allclose(fit_baseline(training.seen(False))[-1].coef_, baseline[-1].coef_)
