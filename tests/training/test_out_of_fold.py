"""Out-of-fold predictions: scored by folds, kept in a file, and without the videos that nothing validated."""

from __future__ import annotations

from math import log
from pathlib import Path

import numpy as np
import pytest

from varml.errors import SearchError
from varml.training.out_of_fold import NO_FOLD, OutOfFold, fold_numbers, read_oof, write_oof


@pytest.fixture
def oof() -> OutOfFold:
    """Two recognisers on four videos in two folds, and a fifth that none validated."""
    probabilities = np.array(
        [
            [[0.8, 0.2], [0.3, 0.7], [0.4, 0.6], [0.9, 0.1], [np.nan, np.nan]],
            [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [np.nan, np.nan]],
        ],
        dtype=np.float32,
    )
    return OutOfFold(list("abcde"), np.array([0, 1, 0, 0, 1]), np.array([0, 0, 1, 1, NO_FOLD]), probabilities)


def test_figures_are_means_over_the_folds(oof: OutOfFold) -> None:
    score, negative_loss = oof.figures("top1", oof.probabilities[0])
    assert score == pytest.approx((1 + 1 / 2) / 2)
    losses = -(log(0.8) + log(0.7)) / 2, -(log(0.4) + log(0.9)) / 2
    assert negative_loss == pytest.approx(-sum(losses) / 2)


def test_figures_compare_by_the_score_and_then_by_the_loss(oof: OutOfFold) -> None:
    first, second = (oof.figures("top1", probabilities) for probabilities in oof.probabilities)
    assert first.score == second.score
    assert first > second
    assert first._replace(negative_loss=-9) < first
    assert first._replace(score=0.8, negative_loss=-9) > first


def test_videos_that_no_fold_validated_are_left_out(oof: OutOfFold) -> None:
    validated = oof.validated()
    assert validated.video_ids == list("abcd")
    assert np.isfinite(validated.probabilities).all()
    assert validated.figures("top1", validated.probabilities[0]) == oof.figures("top1", oof.probabilities[0])


def test_fold_numbers_are_places_in_the_list_of_folds() -> None:
    assert fold_numbers([np.array([3, 1]), np.array([0])], 4).tolist() == [1, 0, NO_FOLD, 0]


def test_a_file_gives_back_what_was_written_and_the_same_bytes_twice(oof: OutOfFold, tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        write_oof(tmp_path / name, oof)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    read = read_oof(tmp_path / "one.npz")
    assert read.video_ids == oof.video_ids
    for name in ("labels", "folds", "probabilities"):
        assert np.array_equal(getattr(read, name), getattr(oof, name), equal_nan=name == "probabilities")


@pytest.mark.parametrize("content", [None, b"", b"no npz"])
def test_what_is_no_such_file_is_an_error_with_the_remedy(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "oof.npz").write_bytes(content)
    with pytest.raises(SearchError, match=r"oof\.npz holds no out-of-fold predictions .*run `dvc repro`"):
        read_oof(tmp_path / "oof.npz")
