"""Which adaptations a search and its final model need, and what their keys depend on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from adapting_project import Stored, stored_for_adapting

from varml.training.adaptations import FINAL, list_adaptations


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    with stored_for_adapting(tmp_path_factory.mktemp("adapting")) as project:
        yield project


def test_none_are_made_where_no_stream_is_adapted(stored: Stored) -> None:
    assert list_adaptations(stored.rows, stored.changed({"features.adapt": "none"}).params) == []


def test_each_fold_trains_on_what_it_does_not_validate_and_the_final_one_on_everything(stored: Stored) -> None:
    params = stored.changed({"features.adapt": "both"}).params
    found = list_adaptations(stored.rows, params)
    assert [(a.stream, a.fold) for a in found] == [(s, f) for s in ("rgb", "flow") for f in (0, 1, FINAL)]
    groups = stored.rows["group"].to_numpy()
    for one in found:
        left = np.setdiff1d(np.arange(len(stored.rows)), one.training)
        assert len(left) == (0 if one.fold == FINAL else 6)
        assert not set(groups[left]) & set(groups[one.training])
    assert len({one.key for one in found}) == len(found)


def test_validation_on_val_trains_on_train_alone(stored: Stored) -> None:
    rows = stored.rows.assign(split=["train"] * 9 + ["val"] * 3)
    first, last = list_adaptations(rows, stored.changed({"search.validation": "val"}).params)
    assert first.training.tolist() == list(range(9))
    assert (last.fold, len(last.training)) == (FINAL, 12)


@pytest.mark.parametrize(
    ("values", "same"),
    [
        ({"features.adaptation.lr": 2e-3}, False),
        ({"features.adaptation.unfreeze": "all"}, False),
        ({"features.grid_size": 1}, False),
        ({"flow.bound_px": 8}, False),
        ({"seed": 1}, False),
        ({"data.mirror_pairs": []}, False),
        ({"train.lr": 2e-3}, True),
        ({"model.width": 32}, True),
        ({"search.num_trials": 1}, True),
    ],
)
def test_a_key_changes_with_what_the_features_depend_on_and_with_nothing_else(
    stored: Stored, values: dict[str, Any], same: bool
) -> None:
    keys, others = (
        [one.key for one in list_adaptations(stored.rows, of.params)] for of in (stored, stored.changed(values))
    )
    assert [one == other for one, other in zip(keys, others, strict=True)] == [same] * len(keys)


def test_labels_of_videos_that_a_fold_validates_are_no_part_of_its_key(stored: Stored) -> None:
    params = stored.changed({"search.validation": "val"}).params
    rows = stored.rows.assign(split=["train"] * 9 + ["val"] * 3)
    swapped = rows.assign(label=[*rows["label"][:9], *np.roll(rows["label"][9:], 1)])
    (fold, final), (other_fold, other_final) = (list_adaptations(of, params) for of in (rows, swapped))
    assert fold.key == other_fold.key
    assert final.key != other_final.key
