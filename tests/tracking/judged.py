"""Answers that are written as text, for what a gate says of them: a letter a video, the class that was recognised."""

from __future__ import annotations

import pandas as pd

from varml.tracking.registry.evaluations import Evaluation

# Ten videos of a wave, ten of a jump.
LABELS = "w" * 10 + "j" * 10
TEST_SET = "videos of May"


def evaluation(
    answers: str,
    labels: str = LABELS,
    *,
    sure: float = 1.0,
    latency_ms: float | None = 10.0,
    test_set: str = TEST_SET,
    digest: str = "a model",
    seen: str = "",
) -> Evaluation:
    """Return an evaluation of a model that gave ``answers``, each with the probability ``sure``.

    A letter of ``seen`` that is no dot marks a video that it was trained on.
    """
    classes = sorted({*answers, *labels})
    rest = (1 - sure) / max(1, len(classes) - 1)
    table = pd.DataFrame(
        {"video_id": [f"video{n:02d}" for n in range(len(labels))], "label": list(labels), "predicted": list(answers)}
    )
    table["seen"] = [int(letter != ".") for letter in seen.ljust(len(labels), ".")]
    for name in classes:
        table[f"p_{name}"] = [sure if answer == name else rest for answer in answers]
    return Evaluation(test_set, digest, latency_ms, table)
