"""The gate: every reason to refuse a model, and that nothing else is one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from judged import LABELS, evaluation

from varml.config.register_params import Gate
from varml.tracking.registry.gate import judge

RIGHT = LABELS
CHAMPION = evaluation("w" * 9 + "j" + "j" * 9 + "w", sure=0.9)  # 18 of 20
# What is not looked at in a test.
OPEN = Gate(min_class_accuracy=None, max_ece=None)


def reasons(answers: str, gate: Gate = OPEN, **options: object) -> list[str]:
    return judge(evaluation(answers, **options), CHAMPION, gate).reasons  # type: ignore[arg-type]


def test_what_is_no_worse_passes_the_shipped_gate() -> None:
    for answers in (RIGHT, "w" * 9 + "j" + "j" * 10, "j" + "w" * 9 + "w" + "j" * 9):
        verdict = judge(evaluation(answers, sure=0.95), CHAMPION, Gate())
        assert verdict.passes, verdict.reasons
    assert verdict.figures["gain"] == 0
    assert verdict.figures["champion"] == verdict.figures["top1"] == pytest.approx(0.9)


def test_the_first_model_passes_without_anything_to_compare_with() -> None:
    verdict = judge(evaluation(RIGHT), None, Gate())
    assert verdict.passes
    assert set(verdict.figures) == {"top1", "num_videos", "ece", "latency_ms"}


def test_a_worse_model_is_refused_with_both_figures() -> None:
    (reason,) = reasons("w" * 6 + "j" * 4 + "j" * 8 + "w" * 2)
    assert "its test top1 is 0.700, the champion's 0.900" in reason
    assert "register.gate.min_gain" in reason


def test_a_gain_that_is_asked_for_must_be_there() -> None:
    better = "w" * 10 + "j" * 9 + "w"  # 19 of 20
    assert reasons(better, OPEN.model_copy(update={"min_gain": 0.05})) == []
    (reason,) = reasons(better, OPEN.model_copy(update={"min_gain": 0.1}))
    assert "it gains 0.1 in" in reason


def test_confidence_asks_for_more_than_one_video() -> None:
    sure = OPEN.model_copy(update={"min_gain": 0.001, "confidence": 0.95})
    (reason,) = reasons("w" * 10 + "j" * 9 + "w", sure)
    assert "must in 95%" in reason
    many = evaluation("w" * 400, labels="w" * 400)
    worse = evaluation("w" * 380 + "j" * 20, labels="w" * 400)
    assert judge(many, worse, sure).passes


def test_the_metric_may_be_another_one() -> None:
    labels, rare = "w" * 18 + "j" * 2, "w" * 16 + "jj" + "jj"  # 18 right, both of the rare ones
    champion, candidate = evaluation("w" * 20, labels=labels), evaluation(rare, labels=labels)
    gate = OPEN.model_copy(update={"min_gain": 0.2})
    assert not judge(candidate, champion, gate).passes
    assert judge(candidate, champion, gate.model_copy(update={"metric": "mean_class_accuracy"})).passes


def test_a_class_that_collapsed_is_named_though_the_mean_is_better() -> None:
    labels = "w" * 30 + "j" * 2
    champion, candidate = evaluation("w" * 27 + "jjj" + "jj", labels=labels), evaluation("w" * 32, labels=labels)
    gate = Gate(max_ece=None)
    (reason,) = judge(candidate, champion, gate).reasons
    assert "it recognises 0.00 of the test videos of 'j'" in reason
    assert "register.gate.min_class_accuracy" in reason
    # Nobody is held to what the champion does not do either.
    assert judge(candidate, evaluation("w" * 29 + "j" + "ww", labels=labels), gate).passes
    assert not judge(candidate, None, gate).passes


def test_a_class_that_neither_has_a_video_of_is_no_fault() -> None:
    champion = evaluation("w" * 9 + "x" + "j" * 10)
    assert judge(evaluation(RIGHT), champion, Gate()).passes


def test_a_model_that_says_what_it_does_not_know_is_refused() -> None:
    candidate = evaluation("w" * 10 + "w" * 5 + "j" * 5, sure=1.0)  # 15 of 20, all with certainty
    (reason,) = judge(candidate, None, Gate(max_ece=0.2)).reasons
    assert "off by 0.250" in reason
    assert "register.gate.max_ece" in reason
    assert judge(candidate, None, Gate(max_ece=0.25 + 1e-6)).passes


def test_a_slow_model_is_refused_and_so_is_one_that_was_not_timed() -> None:
    gate = OPEN.model_copy(update={"latency_budget_ms": 20.0})
    assert reasons(RIGHT, gate, latency_ms=20.0) == []
    (slow,), (unknown,) = reasons(RIGHT, gate, latency_ms=20.1), reasons(RIGHT, gate, latency_ms=None)
    assert "it takes 20.1 ms for a video where it was evaluated, and may take 20 (register.gate.latency" in slow
    assert "it takes inf ms" in unknown


def test_answers_on_other_videos_are_not_compared() -> None:
    (reason,) = reasons(RIGHT, test_set="videos of June")
    assert "different test videos" in reason


def test_videos_that_either_was_trained_on_are_left_out() -> None:
    # The champion is right on all that it was trained on, and wrong on the others, on which the candidate is right.
    labels = "w" * 10 + "j" * 10
    champion = evaluation("w" * 8 + "jj" + "j" * 8 + "ww", labels, seen="ssssssss..ssssssss..")
    candidate = evaluation("j" * 8 + "ww" + "w" * 8 + "jj", labels, sure=0.9)
    verdict = judge(candidate, champion, Gate())
    assert verdict.passes, verdict.reasons
    assert (verdict.figures["num_videos"], verdict.figures["top1"], verdict.figures["champion"]) == (4, 1, 0)
    swapped = judge(champion, candidate, OPEN)
    assert (swapped.figures["num_videos"], swapped.figures["gain"]) == (4, -1)


def test_models_that_have_seen_all_videos_cannot_be_compared() -> None:
    (reason,) = judge(evaluation(RIGHT, seen="s" * 10), evaluation(RIGHT, seen="." * 10 + "s" * 10), OPEN).reasons
    assert "was trained on all of these test videos" in reason


def test_all_reasons_are_given_together() -> None:
    gate = Gate(latency_budget_ms=1.0)
    found = reasons("j" * 10 + "j" * 10, gate)
    assert len(found) == 4


def test_the_order_of_the_videos_does_not_matter() -> None:
    candidate = evaluation("w" * 10 + "j" * 5 + "w" * 5)
    shuffled = replace(candidate, predictions=candidate.predictions.sample(frac=1, random_state=0))
    assert judge(shuffled, CHAMPION, Gate()) == judge(candidate, CHAMPION, Gate())
