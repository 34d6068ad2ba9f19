"""The choice of an ensemble on predictions made up so that the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from varml.metrics.classification import METRICS
from varml.training.ensemble import select, weighted_mean
from varml.training.out_of_fold import OutOfFold

NUM_VIDEOS = 24
LABELS = np.arange(NUM_VIDEOS) % 2
FOLDS = np.arange(NUM_VIDEOS) // 2 % 4


def saying(right: np.ndarray, sure: float = 0.9) -> np.ndarray:
    """Return probabilities (N, 2): of the true class ``sure`` where ``right``, else what is left."""
    true = np.where(right, sure, 1 - sure)
    return np.where(np.arange(2) == LABELS[:, None], true[:, None], 1 - true[:, None]).astype(np.float32)


def oof_of(*predictions: np.ndarray, folds: np.ndarray = FOLDS) -> OutOfFold:
    ids = [f"video{number}" for number in range(NUM_VIDEOS)]
    return OutOfFold(ids, LABELS, folds, np.stack(predictions))


EVERY = np.ones(NUM_VIDEOS, dtype=bool)
# Wrong on videos of its own: of three such, two are always right, and a majority never errs.
THIRDS = [np.arange(NUM_VIDEOS) % 3 != part for part in range(3)]


def test_three_that_err_on_different_videos_are_served_together() -> None:
    selection = select(oof_of(*map(saying, THIRDS)), "top1", max_members=3)
    assert selection.weights == pytest.approx({0: 1 / 3, 1: 1 / 3, 2: 1 / 3})
    assert selection.single.score == pytest.approx(2 / 3)
    assert selection.ensemble is not None
    assert selection.ensemble.score == 1


def test_one_that_is_never_wrong_is_served_alone() -> None:
    selection = select(oof_of(saying(EVERY), *map(saying, THIRDS)), "top1", max_members=5)
    assert selection.weights == {0: 1.0}


def test_one_may_be_taken_again() -> None:
    # Of the true class the first says 0.9 or, on every third video, 0.4, and the second the contrary: 0.1 or 0.9.
    # Half of each is 0.5 or 0.65, which is not right; two parts to one are 0.63 or 0.57, which is.
    third = np.arange(NUM_VIDEOS) % 3 == 0
    first, second = np.where(third[:, None], saying(EVERY, 0.4), saying(EVERY, 0.9)), saying(third, 0.9)
    assert select(oof_of(first, second), "top1", max_members=3).weights == pytest.approx({0: 2 / 3, 1: 1 / 3})
    assert select(oof_of(first, second), "top1", max_members=2).weights == {0: 1.0}


def test_copies_of_the_best_add_nothing() -> None:
    third = saying(THIRDS[0])
    assert select(oof_of(third, third, third), "top1", max_members=5).weights == {0: 1.0}


def test_one_member_is_no_ensemble_and_is_not_judged() -> None:
    selection = select(oof_of(*map(saying, THIRDS)), "top1", max_members=1)
    assert selection.weights == {0: 1.0}
    assert selection.ensemble is None


def test_one_fold_cannot_judge_an_ensemble() -> None:
    one_fold = np.zeros(NUM_VIDEOS, dtype=np.int64)
    selection = select(oof_of(*map(saying, THIRDS), folds=one_fold), "top1", max_members=3)
    assert selection.weights == {0: 1.0}
    assert selection.ensemble is None


def test_what_is_chosen_for_noise_is_judged_as_noise() -> None:
    # Among many that guess, one or some mean always looks good on the videos that it was chosen by.
    rng = np.random.default_rng(0)
    guesses = [saying(rng.random(NUM_VIDEOS) < 0.5, 0.6) for _ in range(30)]
    guesses.sort(key=lambda g: -float((g.argmax(1) == LABELS).mean()))
    oof = oof_of(*guesses)
    selection = select(oof, "top1", max_members=5)
    assert oof.figures("top1", oof.probabilities[0]).score > 0.7
    assert selection.single.score < 0.7
    assert selection.ensemble is not None
    assert selection.ensemble.score < 0.7


def test_the_best_alone_is_not_judged_by_what_chose_it() -> None:
    # Each is right on all videos of one fold, and on two thirds of those of every other. What is chosen on the others
    # is never the one whose luck lies in this fold.
    lucky = [saying((fold == FOLDS) | THIRDS[fold % 3]) for fold in range(4)]
    oof = oof_of(*lucky)
    assert oof.figures("top1", lucky[0]).score == pytest.approx(3 / 4)
    assert select(oof, "top1", max_members=3).single.score == pytest.approx(2 / 3)


def test_as_many_right_answers_are_a_tie_whichever_folds_they_are_in() -> None:
    """Two wrong in one fold of six, or one in each of two: plain means differ in the last bit."""
    together, apart = (saying(~np.isin(np.arange(NUM_VIDEOS), wrong)) for wrong in ([6, 7], [4, 6]))
    assert np.mean([1, 1, 5 / 6, 5 / 6]) > np.mean([1, 1, 1, 4 / 6])
    oof = oof_of(together, apart)
    assert oof.figures("top1", together).score == oof.figures("top1", apart).score == pytest.approx(11 / 12)


def test_labels_of_a_fold_do_not_choose_what_predicts_it() -> None:
    # In fold 0 the second is right and the first wrong; everywhere else the first is as right and surer.
    in_first = FOLDS == 0
    first, second = saying(~in_first, 0.95), saying(EVERY, 0.55)
    selection = select(oof_of(first, second), "top1", max_members=2)
    assert selection.ensemble is not None
    # Chosen on folds 1 to 3, the first predicts fold 0 and is wrong there; on the other folds the second has helped.
    assert selection.ensemble.score == pytest.approx(3 / 4)


@pytest.mark.parametrize("metric", METRICS)
def test_figures_are_those_of_the_metric_that_is_searched_for(metric: str) -> None:
    oof = oof_of(saying(np.arange(NUM_VIDEOS) % 5 != 0), saying(EVERY))
    selection = select(oof, metric, max_members=2)
    assert selection.single == oof.figures(metric, oof.probabilities[1])
    assert selection.ensemble is not None
    assert selection.ensemble.score == 1


def test_the_mean_of_one_is_itself_to_the_bit() -> None:
    stacked = np.random.default_rng(1).dirichlet(np.ones(3), (4, 5)).astype(np.float32)
    assert np.array_equal(weighted_mean(stacked, {2: 1.0}), stacked[2])
    assert weighted_mean(stacked, {0: 0.25, 3: 0.75}) == pytest.approx(0.25 * stacked[0] + 0.75 * stacked[3])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), max_members=st.integers(1, 4))
def test_shares_sum_to_one_and_an_ensemble_beats_the_best_alone(seed: int, max_members: int) -> None:
    rng = np.random.default_rng(seed)
    oof = oof_of(*(saying(rng.random(NUM_VIDEOS) < 0.7, rng.uniform(0.55, 0.95)) for _ in range(4)))
    best_first = sorted(range(4), key=lambda rank: oof.figures("top1", oof.probabilities[rank]), reverse=True)
    oof = oof_of(*oof.probabilities[best_first])
    selection = select(oof, "top1", max_members)
    assert sum(selection.weights.values()) == pytest.approx(1)
    assert all(share * max_members >= 1 - 1e-9 for share in selection.weights.values())
    if len(selection.weights) > 1:
        assert selection.ensemble is not None
        assert selection.ensemble > selection.single
        mean = weighted_mean(oof.probabilities, selection.weights)
        assert oof.figures("top1", mean) > selection.single
