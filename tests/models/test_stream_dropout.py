"""Stream dropout: one stream of a video at most, in training alone, as often as is said."""

from __future__ import annotations

import pytest
import torch

from varml.models.stream_dropout import StreamDropout

STREAMS = ("rgb", "flow")


def build(probability: float) -> StreamDropout:
    torch.manual_seed(0)
    dropout = StreamDropout(STREAMS, width=2, probability=probability)
    for number, stream in enumerate(STREAMS):
        dropout.missing[stream].data.fill_(100.0 + number)
    return dropout


def random_tokens(num_videos: int) -> dict[str, torch.Tensor]:
    return {stream: torch.randn(num_videos, steps, 1, 2) for stream, steps in (("rgb", 2), ("flow", 3))}


def test_in_evaluation_tokens_stay() -> None:
    tokens = random_tokens(4)
    assert build(0.9).eval()(tokens) is tokens


@pytest.mark.parametrize("probability", [0.2, 0.7])
def test_so_many_videos_lose_one_stream_and_none_loses_both(probability: float) -> None:
    tokens = random_tokens(4000)
    seen = build(probability).train()(tokens)
    gone = {stream: (seen[stream] == 100.0 + n).flatten(1).all(1) for n, stream in enumerate(STREAMS)}
    for stream, lost in gone.items():
        assert torch.equal(seen[stream][~lost], tokens[stream][~lost])
        assert lost.float().mean().item() == pytest.approx(probability / 2, abs=0.03)
    assert not (gone["rgb"] & gone["flow"]).any()


def test_what_stands_for_a_lost_stream_is_learned() -> None:
    dropout = build(0.5).train()
    dropout.replace(random_tokens(3), torch.tensor([0, 1, -1]))["rgb"].sum().backward()
    assert dropout.missing["rgb"].grad.tolist() == [2, 2]  # of the first video's two steps
    assert dropout.missing["flow"].grad is None


def test_draws_follow_the_seed() -> None:
    draws = []
    for seed in (1, 1, 2):
        dropout = build(0.5)
        torch.manual_seed(seed)
        draws.append(dropout.draw(50).tolist())
    assert draws[0] == draws[1] != draws[2]
