"""Mixup: how much of which other clip, and what is made of both."""

from __future__ import annotations

import torch

from varml.video.transforms.mixup import Mix, draw_mixes, mixed


def draw(num_clips: int, strength: float, seed: int = 0) -> list[Mix]:
    return draw_mixes(num_clips, strength, torch.Generator().manual_seed(seed))


def test_a_quarter_of_another_clip_is_a_quarter_of_its_pixels_and_of_its_label() -> None:
    black, white = torch.zeros(2, 3, 4, 5), torch.ones(2, 3, 4, 5)
    assert torch.equal(mixed(black, white, 0.25), torch.full((2, 3, 4, 5), 0.25))
    assert mixed(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 0.25).tolist() == [0.75, 0.25]


def test_a_share_of_nothing_changes_nothing() -> None:
    one = torch.rand(3)
    assert mixed(one, torch.full((3,), float("nan")), 0.0) is one
    assert [mix.share for mix in draw(5, 0.0)] == [0] * 5


def test_each_clip_is_laid_over_one_and_no_share_is_over_half_of_the_strength() -> None:
    mixes = draw(100, 0.6)
    assert sorted(mix.partner for mix in mixes) == list(range(100))
    shares = [mix.share for mix in mixes]
    assert 0 <= min(shares) < 0.05 < 0.25 < max(shares) <= 0.3


def test_draws_repeat_themselves() -> None:
    assert draw(8, 1.0, seed=5) == draw(8, 1.0, seed=5) != draw(8, 1.0, seed=6)
