"""Which version serves: what a gate decides, in a real registry, what is written down of it, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from judged import LABELS, TEST_SET, evaluation
from tiny_model import save_tiny_model

from varml.config.register_params import Gate
from varml.errors import TrackingError
from varml.models.model_files import model_digest
from varml.tracking.registry.evaluations import log_evaluation
from varml.tracking.registry.promotion import CHAMPIONS, Promotion, promote, rollback
from varml.tracking.registry.versions import CHAMPION, register_model, version_of
from varml.tracking.runs import MODEL_DIGEST, TrackedRun, create_run
from varml.tracking.store import open_client

pytestmark = pytest.mark.usefixtures("project")

GATE = Gate()
# Right on so many of twenty videos.
BETTER, GOOD, WORSE = LABELS, "w" * 9 + "j" + "j" * 9 + "w", "w" * 7 + "j" * 3 + "j" * 7 + "w" * 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "model")


def add_version(name: str, folder: Path, answers: str | None, **options: Any) -> str:
    """Register a version whose run has an evaluation with ``answers``, or none, and return its number."""
    run, digest = create_run(name, "train", {MODEL_DIGEST: model_digest(folder)}), model_digest(folder)
    if answers is not None:
        log_evaluation(run, evaluation(answers, **{"sure": 0.9, "digest": digest, **options}))
    return register_model(folder, name, run, {}).version


def champion(name: str) -> str | None:
    return version_of(open_client(), name, CHAMPION)


def written(name: str, version: str) -> tuple[dict[str, str], str]:
    """Return the tags of a version that the gate has set, and its description."""
    found = open_client().get_model_version(name, version)
    tags = {key.removeprefix("varml."): value for key, value in found.tags.items() if key.startswith("varml.gate")}
    return tags, found.description or ""


# The gate decides.


def test_a_better_version_takes_the_champions_place_and_it_says_why(name: str, folder: Path) -> None:
    add_version(name, folder, GOOD)
    add_version(name, folder, BETTER)
    done = promote(name, GATE)
    assert (done.promoted, done.version.number, done.before, champion(name)) == (True, "2", "1", "2")
    tags, description = written(name, "2")
    assert tags["gate"] == "passed"
    assert (tags["gate.top1"], tags["gate.champion"], tags["gate.gain"]) == ("1.0000", "0.9000", "0.1000")
    assert description.startswith("Version 2 passed the gate against version 1.")
    assert "| gain | 0.1 |" in description


@pytest.mark.parametrize(
    ("answers", "options", "gate", "reason"),
    [
        (WORSE, {}, GATE, "min_gain"),
        ("w" * 10 + "w" * 9 + "j", {}, GATE.model_copy(update={"min_gain": -1, "max_ece": None}), "of 'j'"),
        (BETTER, {"latency_ms": 31.0}, GATE.model_copy(update={"latency_budget_ms": 30}), "31.0 ms"),
        (BETTER, {"sure": 0.6}, GATE, "max_ece"),
        (
            BETTER,
            {"test_set": "videos of June"},
            GATE,
            "version 1, were evaluated on different test videos",
        ),
        (None, {}, GATE, "no evaluation of version 2 is with its run"),
        (BETTER, {"digest": "another model"}, GATE, "no evaluation of version 2"),
    ],
    ids=["worse", "one class collapsed", "slower", "miscalibrated", "other data", "not evaluated", "another model"],
)
def test_a_bad_version_is_refused_for_the_right_reason(
    name: str, folder: Path, answers: str | None, options: dict[str, Any], gate: Gate, reason: str
) -> None:
    add_version(name, folder, GOOD)
    add_version(name, folder, answers, **options)
    done = promote(name, gate)
    assert not done.promoted
    (given,) = done.verdict.reasons
    assert reason in given
    assert champion(name) == "1"
    tags, description = written(name, "2")
    assert tags["gate"] == "refused"
    assert f"- {given}" in description


def test_a_refused_version_may_be_forced_and_the_reason_stays(name: str, folder: Path) -> None:
    add_version(name, folder, GOOD)
    add_version(name, folder, WORSE)
    done = promote(name, GATE, forced="it knows the new camera")
    assert done.promoted
    assert champion(name) == "2"
    tags, description = written(name, "2")
    assert tags["gate"] == "forced"
    assert "min_gain" in description
    assert "It was promoted all the same: it knows the new camera" in description


def test_a_dry_run_says_the_same_and_changes_nothing(name: str, folder: Path) -> None:
    add_version(name, folder, GOOD)
    for answers, promoted in ((WORSE, False), (BETTER, True)):
        version = add_version(name, folder, answers)
        asked = promote(name, GATE, dry_run=True)
        assert asked.promoted is promoted
        assert written(name, version) == ({}, "")
        assert champion(name) == "1"
        done = promote(name, GATE)
        assert (done.verdict, done.promoted) == (asked.verdict, asked.promoted)


def test_what_is_champion_already_is_asked_nothing(name: str, folder: Path) -> None:
    add_version(name, folder, None)
    assert promote(name, GATE).promoted
    assert written(name, "1") == ({}, "")


def test_the_champion_may_have_been_asked_about_the_new_videos_later(name: str, folder: Path) -> None:
    add_version(name, folder, GOOD, test_set="videos of April")
    add_version(name, folder, BETTER)
    assert not promote(name, GATE).promoted
    run = TrackedRun(open_client(), open_client().get_model_version(name, "1").run_id)
    log_evaluation(run, evaluation(GOOD, sure=0.9, digest=model_digest(folder), test_set=TEST_SET))
    assert promote(name, GATE).promoted


def test_without_a_champion_the_bounds_alone_decide(name: str, folder: Path) -> None:
    add_version(name, folder, WORSE)
    open_client().delete_registered_model_alias(name, CHAMPION)
    assert promote(name, GATE).promoted
    assert written(name, "1")[1].startswith("Version 1 passed the gate, without a champion to compare with.")


# The way back.


def promoted(name: str, folder: Path, *answers: str) -> list[Promotion]:
    for one in answers:
        add_version(name, folder, one)
    return [promote(name, GATE, str(number + 1), forced="a test") for number in range(1, len(answers))]


def test_rolling_back_goes_through_the_champions_there_were(name: str, folder: Path) -> None:
    promoted(name, folder, GOOD, BETTER, GOOD)
    promote(name, GATE, "1", forced="back and forth")
    for present, before in (("1", "3"), ("3", "2"), ("2", "1")):
        assert rollback(name) == (present, before)
        assert champion(name) == before
    with pytest.raises(TrackingError, match=r"version 1 is the first champion"):
        rollback(name)
    assert champion(name) == "1"


def test_a_promotion_after_a_rollback_forgets_what_was_left(name: str, folder: Path) -> None:
    promoted(name, folder, GOOD, BETTER, BETTER)
    assert rollback(name) == ("3", "2")
    assert rollback(name) == ("2", "1")
    promote(name, GATE, "3", forced="after all")
    assert rollback(name) == ("3", "1")


def test_an_alias_that_was_moved_by_hand_is_believed(name: str, folder: Path) -> None:
    promoted(name, folder, GOOD, BETTER, GOOD)
    open_client().set_registered_model_alias(name, CHAMPION, "2")
    assert rollback(name) == ("2", "1")
    open_client().set_registered_model_alias(name, CHAMPION, "3")
    assert rollback(name) == ("3", "1")


def test_a_kill_between_the_list_and_the_alias_leaves_the_old_champion(name: str, folder: Path) -> None:
    promoted(name, folder, GOOD, BETTER)
    add_version(name, folder, BETTER)
    open_client().set_registered_model_tag(name, CHAMPIONS, "1 2 3")  # what a promotion of 3 writes first
    assert champion(name) == "2"
    assert rollback(name) == ("2", "1")


def test_there_is_nothing_to_go_back_from(name: str) -> None:
    with pytest.raises(TrackingError, match=f"'{name}' has no champion to go back from"):
        rollback(name)
    open_client().create_registered_model(name)
    with pytest.raises(TrackingError, match="no champion"):
        rollback(name)


def test_a_champion_that_was_deleted_is_not_gone_back_to(name: str, folder: Path) -> None:
    promoted(name, folder, GOOD, BETTER)
    open_client().delete_model_version(name, "1")
    with pytest.raises(TrackingError, match=r"every champion of .* before version 2 was deleted"):
        rollback(name)
    assert champion(name) == "2"


def test_a_champion_that_was_deleted_is_passed_over_on_the_way_back(name: str, folder: Path) -> None:
    promoted(name, folder, GOOD, BETTER, GOOD)
    open_client().delete_model_version(name, "2")
    assert rollback(name) == ("3", "1")


def test_a_later_decision_replaces_an_earlier_one_and_keeps_what_others_wrote(name: str, folder: Path) -> None:
    add_version(name, folder, GOOD)
    version = add_version(name, folder, WORSE)
    open_client().update_model_version(name, version, description="for the new camera")
    assert not promote(name, GATE).promoted
    assert "gate.gain" in written(name, version)[0]
    open_client().set_registered_model_alias(name, CHAMPION, add_version(name, folder, None))
    for _ in range(2):
        assert not promote(name, GATE, version).promoted
        tags, description = written(name, version)
        assert tags == {"gate": "refused"}
        assert description.count("was refused by the gate") == 1
        assert description.endswith("\n\n---\n\nfor the new camera")


def test_the_newest_set_that_both_were_asked_about_decides(name: str, folder: Path) -> None:
    add_version(name, folder, GOOD)
    version = add_version(name, folder, BETTER)
    run_id = open_client().get_model_version(name, version).run_id
    log_evaluation(TrackedRun(open_client(), run_id), evaluation(WORSE, digest=model_digest(folder), test_set="later"))
    assert promote(name, GATE).promoted
