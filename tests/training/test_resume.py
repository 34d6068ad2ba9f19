"""A training that is killed, at whatever point, goes on from its last epoch and ends as if nothing had happened."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interrupted import NUM_EPOCHS, Training, result_of, run_until

from varml.config.params import Flow
from varml.config.views import PLAIN
from varml.data.dataset import FeatureSet
from varml.flow.store import FlowTask, extract_flow
from varml.training.checkpoint import Checkpoint
from varml.training.clips import ClipSet
from varml.video.pack import write_pack

CONTEXT = multiprocessing.get_context("forkserver")

KINDS = ["plain", "average and sampler", "weights", "changed clips"]
POINTS = ["before", "half written", "written", "after"]


@pytest.fixture(scope="module", autouse=True)
def quick_children() -> None:
    """Children of a process that has imported what they need, and computed nothing, begin in milliseconds."""
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    with pytest.MonkeyPatch.context() as patched:
        # The server does not take over our sys.path.
        patched.setenv("PYTHONPATH", path)
        CONTEXT.set_forkserver_preload(["interrupted", "lightning_fabric"])
        forkserver.ensure_running()


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipSet:
    """Six stored videos of noise that moves to the right."""
    folder, rng = tmp_path_factory.mktemp("clips"), np.random.default_rng(0)
    frames, flow = ([folder / f"{kind}{number}.pack" for number in range(6)] for kind in ("frames", "flow"))
    params = Flow(estimator="dis", bound_px=16, jpeg_quality=95)
    for path, target in zip(frames, flow, strict=True):
        still = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
        write_pack(path, np.stack([np.stack([np.roll(still, 2 * step, axis=1) for step in range(2)])] * 2), 95)
        extract_flow(FlowTask(path, target, params))
    return ClipSet(frames, flow, [0, 1, 2] * 2, mirror=[0, 1, 2], bound_px=16)


@pytest.fixture(scope="module")
def trainings(clips: ClipSet) -> dict[str, Training]:
    rng = np.random.default_rng(0)
    features = {stream: rng.normal(size=(6, 2, 1, 96)).astype(np.float16) for stream in ("rgb", "flow")}
    names = [str(number) for number in range(6)]
    stored = FeatureSet(names, {PLAIN: features}, np.array(clips.labels), names, ["a", "b", "c"])
    return {
        "plain": Training(),
        "average and sampler": Training({"ema": 0.9, "balance": "sampler"}),
        "weights": Training({"balance": "weights", "batch_size": 5, "max_grad_norm": 0.1}),
        "changed clips": Training({"ema": 0.5}, clips, stored),
    }


@pytest.fixture(scope="module")
def undisturbed(trainings: dict[str, Training], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """A function that returns the weights of a training that nothing interrupted, by their sha256."""
    known: dict[str, str] = {}

    def of(kind: str) -> str:
        if kind not in known:
            known[kind] = finish(trainings[kind], None, tmp_path_factory.mktemp("answers"))[0]
        return known[kind]

    return of


def finish(training: Training, checkpoint: Checkpoint | None, folder: Path) -> tuple[str, str]:
    """Train in another process; return the sha256 of the weights and the epochs that were reported."""
    answer = folder / "answer.txt"
    process = CONTEXT.Process(target=result_of, args=(training, checkpoint, answer))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    weights, _, reported = answer.read_text().partition(" ")
    return weights, reported


def kill(training: Training, checkpoint: Checkpoint, point: str, epoch: int) -> None:
    """Train in another process until it kills itself at ``point``."""
    process = CONTEXT.Process(target=run_until, args=(training, checkpoint, point, epoch))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path / "kept" / "one.checkpoint", "key")


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("epoch", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_ends_with_the_weights_of_an_undisturbed_one(
    trainings: dict[str, Training], undisturbed: Callable[[str], str], checkpoint: Checkpoint, tmp_path: Path,
    kind: str, epoch: int, point: str,
) -> None:  # fmt: skip
    training = trainings[kind]
    kill(training, checkpoint, point, epoch)
    saved = epoch + (point == "after")
    assert checkpoint.file.exists() is (saved > 0)
    assert len((checkpoint.load() or {"metrics": []})["metrics"]) == saved
    weights, reported = finish(training, checkpoint, tmp_path)
    assert weights == undisturbed(kind)
    assert reported == str(list(range(NUM_EPOCHS))), "epochs of before are reported again"


def test_it_may_be_killed_again_and_again_and_after_its_end(
    trainings: dict[str, Training], undisturbed: Callable[[str], str], checkpoint: Checkpoint, tmp_path: Path
) -> None:
    kind = "average and sampler"
    for epoch in range(NUM_EPOCHS):
        kill(trainings[kind], checkpoint, "after", epoch)
    assert finish(trainings[kind], checkpoint, tmp_path)[0] == undisturbed(kind)


def test_trainings_of_other_arguments_have_other_weights(
    trainings: dict[str, Training], undisturbed: Callable[[str], str]
) -> None:
    assert len({undisturbed(kind) for kind in KINDS}) == len(KINDS)


def test_only_every_nth_epoch_is_saved_and_the_last(trainings: dict[str, Training], tmp_path: Path) -> None:
    seldom = Checkpoint(tmp_path / "seldom", "key", every=3)
    kill(trainings["plain"], seldom, "after", 1)
    assert not seldom.file.exists()
    saved: list[int] = []
    for epoch in (2, 3):
        kill(trainings["plain"], seldom, "after", epoch)
        state = seldom.load()
        assert state is not None
        saved.append(len(state["metrics"]))
    assert saved == [3, 4]


def damaged(content: bytes, how: str) -> bytes:
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    return {"cut": content[:middle], "empty": b"", "one bit": flipped, "no checkpoint": b"anything"}[how]


@pytest.mark.parametrize("how", ["cut", "empty", "one bit", "no checkpoint"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(
    trainings: dict[str, Training], undisturbed: Callable[[str], str], checkpoint: Checkpoint, tmp_path: Path,
    caplog: pytest.LogCaptureFixture, how: str,
) -> None:  # fmt: skip
    kill(trainings["plain"], checkpoint, "after", 1)
    checkpoint.file.write_bytes(damaged(checkpoint.file.read_bytes(), how))
    with caplog.at_level(logging.WARNING):
        assert checkpoint.load() is None
    assert f"{checkpoint.file} is no readable checkpoint" in caplog.text
    assert finish(trainings["plain"], checkpoint, tmp_path)[0] == undisturbed("plain")


def test_a_checkpoint_of_another_training_is_never_taken(
    trainings: dict[str, Training], undisturbed: Callable[[str], str], checkpoint: Checkpoint, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    kill(trainings["average and sampler"], checkpoint, "after", 1)
    other = Checkpoint(checkpoint.file, "another key")
    with caplog.at_level(logging.WARNING):
        assert other.load() is None
    assert "is of another training" in caplog.text
    assert finish(trainings["plain"], other, tmp_path)[0] == undisturbed("plain")


def test_a_checkpoint_runs_no_code_when_it_is_loaded(checkpoint: Checkpoint) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return print, ("it ran",)

    checkpoint.save({"metrics": [Trap()]})
    assert checkpoint.load() is None


def test_what_is_removed_is_gone_and_may_be_removed_again(checkpoint: Checkpoint) -> None:
    checkpoint.save({"metrics": [], "weights": torch.zeros(1)})
    state = checkpoint.load()
    assert state is not None
    assert torch.equal(state["weights"], torch.zeros(1))
    for _ in range(2):
        checkpoint.remove()
        assert checkpoint.load() is None
