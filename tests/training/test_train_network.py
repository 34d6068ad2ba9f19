"""The loop over any network: rates of its parts, averaged weights, precision, and the end where it diverges."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tiny_network import NUM_CLASSES, TinyNetwork, TinySource, digest, make_network
from torch import Tensor, nn

from varml.config.params import Train
from varml.errors import TrainingError
from varml.ground.torchvision_shim import import_torchvision
from varml.training import precision
from varml.training.averaging import decay_of_step
from varml.training.batches import Batch, Draw
from varml.training.loop import train_network
from varml.training.processes import local_fabric, make_fabric

NUM_VIDEOS = 20


def changed(train: Train, **values: Any) -> Train:
    return train.model_copy(update=values)


def trained(train: Train, network: nn.Module | None = None, source: Any = None, **options: Any) -> nn.Module:
    source = source or TinySource(NUM_VIDEOS)
    return train_network(
        network or make_network(), source, TinySource(NUM_VIDEOS).labels, train,
        num_classes=NUM_CLASSES, seed=3, streams=("rgb",), **{"fabric": local_fabric()} | options,
    )  # fmt: skip


@pytest.fixture
def one_step(train: Train) -> Train:
    return changed(train, num_epochs=1, batch_size=NUM_VIDEOS)


# What is trained, and how fast.


def test_equal_arguments_give_equal_weights_whatever_was_drawn_before(train: Train) -> None:
    first = digest(trained(train))
    torch.manual_seed(99)
    assert digest(trained(train)) == first
    assert digest(trained(changed(train, lr=1e-2))) != first


def test_the_network_itself_is_trained_and_given_back_in_eval_mode(train: Train) -> None:
    network = make_network()
    before = digest(network)
    assert trained(train, network) is network
    assert digest(network) != before
    assert not network.training


def test_a_part_has_the_learning_rate_of_its_group(one_step: Train) -> None:
    # The first step of Adam is as long as the learning rate, whatever the gradient.
    def moved(part: str, groups: Any) -> float:
        network, start = make_network(normalise=False), make_network(normalise=False)
        trained(changed(one_step, weight_decay=0.0), network, parameter_groups=groups(network))
        steps = getattr(network, part).weight - getattr(start, part).weight
        return float(steps.detach().abs().max())

    def groups(network: TinyNetwork) -> list[dict[str, Any]]:
        first = {"params": list(network.first.parameters()), "lr_scale": 0.1}
        return [first, {"params": list(network.last.parameters()), "lr": 0.002}]

    plain = moved("first", lambda _: None)
    assert moved("first", groups) == pytest.approx(plain / 10, rel=1e-3)
    assert moved("last", groups) == pytest.approx(plain * 2, rel=1e-3)


def test_what_no_group_names_and_what_is_frozen_stays(train: Train) -> None:
    start, network = make_network(), make_network()
    trained(train, network, parameter_groups=[{"params": network.last.parameters()}])
    assert torch.equal(network.first.weight, start.first.weight)
    assert not torch.equal(network.last.weight, start.last.weight)
    frozen = make_network()
    frozen.first.requires_grad_(False)
    trained(train, frozen)
    assert torch.equal(frozen.first.weight, start.first.weight)


def test_groups_of_timm_are_taken_as_they_are(train: Train) -> None:
    import_torchvision()
    import timm.optim

    network = timm.create_model("test_resnet", num_classes=NUM_CLASSES)
    groups = timm.optim.param_groups_layer_decay(network, layer_decay=0.5)
    seen: list[float] = []

    class Pixels(TinySource):
        def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
            for draw in draws:
                yield Batch({"rgb": torch.zeros(len(draw.own_rows), 3, 32, 32)}, self.labels[draw.own_positions])

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, inputs: dict[str, Tensor]) -> Tensor:
            return self.network(inputs["rgb"])

    trained(
        changed(train, num_epochs=1), Wrapped(), Pixels(NUM_VIDEOS), parameter_groups=groups,
        on_epoch=lambda _, metrics: seen.append(metrics["train_loss"]),
    )  # fmt: skip
    assert len(seen) == 1
    assert math.isfinite(seen[0])


def test_the_metrics_of_validation_are_reported_beside_the_loss(train: Train) -> None:
    reported: list[dict[str, float]] = []

    def validate(network: nn.Module) -> dict[str, float]:
        return {"val_training": float(network.training)}

    trained(train, validate=validate, on_epoch=lambda _, metrics: reported.append(metrics))
    assert [set(metrics) for metrics in reported] == [{"train_loss", "val_training"}] * 3
    assert {metrics["val_training"] for metrics in reported} == {0.0}


# Averaged weights.


@pytest.mark.parametrize(("num_averaged", "expected"), [(1, 2 / 11), (10, 11 / 20), (89, 90 / 99), (10_000, 0.99)])
def test_the_decay_warms_up(num_averaged: int, expected: float) -> None:
    assert decay_of_step(0.99, num_averaged) == pytest.approx(expected)


def test_the_average_is_what_the_formula_says_of_weights_and_batch_statistics(train: Train) -> None:
    short = changed(train, num_epochs=5, batch_size=NUM_VIDEOS)  # one step an epoch
    seen: list[dict[str, np.ndarray]] = []

    def keep(network: nn.Module) -> dict[str, float]:
        seen.append({name: value.double().numpy().copy() for name, value in network.state_dict().items()})
        return {}

    trained(short, validate=keep)
    expected = seen[0]
    for number, weights in enumerate(seen[1:], start=1):
        decay = min(0.5, (1 + number) / (10 + number))
        expected = {name: decay * expected[name] + (1 - decay) * weights[name] for name in weights}
    plain, seen[:] = list(seen), []
    averaged = trained(changed(short, ema=0.5), validate=keep).state_dict()
    for name in ("first.weight", "last.bias", "norm.running_mean", "norm.running_var"):
        assert averaged[name].numpy() == pytest.approx(expected[name], abs=1e-6)
        assert np.array_equal(seen[-1][name], averaged[name].double().numpy()), "what is validated is what is returned"
        assert not np.allclose(plain[-1][name], expected[name], atol=1e-6)


# Precision.


@pytest.mark.parametrize(("gain", "settled"), [(math.inf, "float32"), (0.0, "bf16")])
def test_what_auto_settles_on_is_trained_as_if_it_had_been_asked_for(
    train: Train, monkeypatch: pytest.MonkeyPatch, gain: float, settled: Any
) -> None:
    monkeypatch.setattr(precision, "MIN_GAIN", gain)
    monkeypatch.setattr(precision, "WITHOUT_BFLOAT16", set())
    told: list[str] = []
    runs = {
        name: digest(trained(changed(train, precision=name, ema=0.9), fabric=None, on_precision=told.append))
        for name in ("auto", "float32", "bf16")
    }
    assert told == [settled]
    assert runs["auto"] == runs[settled]
    assert runs["float32"] != runs["bf16"]


def first_batch() -> tuple[Draw, Batch]:
    draw = Draw(0, 0, torch.arange(NUM_VIDEOS))
    return draw, next(TinySource(NUM_VIDEOS).batches(iter([draw]), ("rgb",)))


@pytest.mark.parametrize(("cpu", "tried"), [("AVX2", ["float32"]), ("AVX512", ["float32", "bf16"])])
def test_a_cpu_without_bfloat16_does_not_try_it(
    train: Train, monkeypatch: pytest.MonkeyPatch, cpu: str, tried: list[str]
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: cpu)
    chosen, seconds = precision.faster_precision(make_network(), train, None, *first_batch())
    assert list(seconds) == tried
    assert chosen in tried


def test_the_faster_precision_wins_by_a_margin(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "WITHOUT_BFLOAT16", set())
    draw, batch = first_batch()
    chosen, seconds = precision.faster_precision(make_network(), train, None, draw, batch)
    assert chosen == ("bf16" if seconds["float32"] >= 1.05 * seconds["bf16"] else "float32")
    assert all(0 < took < 1 for took in seconds.values())
    for times, expected in (((1.04, 1.0), "float32"), ((1.06, 1.0), "bf16"), ((1.0, 1.0), "float32")):
        monkeypatch.setattr(precision, "_seconds", lambda *_, left=list(times): left.pop(0))
        assert precision.faster_precision(make_network(), train, None, draw, batch)[0] == expected


def test_each_training_has_the_precision_of_its_own_fabric(train: Train) -> None:
    told: list[str] = []
    given = digest(trained(train, fabric=make_fabric("bf16"), on_precision=told.append))
    assert given == digest(trained(changed(train, precision="bf16"), fabric=None))
    assert digest(trained(train)) == digest(trained(changed(train, precision="float32"), fabric=None))
    assert told == []


# Divergence.


class Spoilt(TinySource):
    """A source whose batch 1 of epoch 1 holds a value that is no number."""

    value = math.nan

    def batches(self, draws: Iterator[Draw], streams: tuple[str, ...]) -> Iterator[Batch]:
        for draw in draws:
            batch = next(super().batches(iter([draw]), streams))
            if (draw.epoch, draw.number) == (1, 1):
                batch.inputs["rgb"][0, 0] = self.value
            yield batch


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_names_its_step_and_the_learning_rate_there(train: Train, value: float) -> None:
    source, epochs = Spoilt(NUM_VIDEOS), []
    source.value = value
    # 6 steps, of which the first is the warm-up: step 3 is two into a cosine over 5.
    lr = 1e-3 * (1 + math.cos(math.pi * 2 / 5)) / 2
    with pytest.raises(TrainingError, match=rf"loss is nan in step 1 of epoch 1 at lr {lr:g};") as caught:
        trained(train, source=source, on_epoch=lambda epoch, _: epochs.append(epoch))
    assert "lower train.lr (0.001 at its peak)" in str(caught.value)
    assert epochs == [0]


class SteepNetwork(TinyNetwork):
    """A network whose loss is a number and whose gradient is none: that of the square root at 0."""

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return super().forward(inputs) + (self.last.weight * 0).sum().sqrt()


def test_a_gradient_that_is_no_number_ends_the_training_too(train: Train) -> None:
    with pytest.raises(TrainingError, match=r"norm of the gradient is nan in step 0 of epoch 0 at lr 0\.0005"):
        trained(train, SteepNetwork())


@pytest.mark.parametrize("max_grad_norm", [0.0, 1.0])
def test_a_long_gradient_is_shortened_and_0_leaves_it(one_step: Train, max_grad_norm: float) -> None:
    # Adam forgets the length of its first gradient but for epsilon, so the moments tell.
    torch_adamw, moments = torch.optim.AdamW.step, []

    class Watched(torch.optim.AdamW):
        def step(self, *args: Any) -> Any:
            result = torch_adamw(self, *args)
            moments.extend(state["exp_avg"] for state in self.state.values())
            return result

    network = make_network(normalise=False)
    source = TinySource(NUM_VIDEOS)
    source.inputs *= 1000
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.optim, "AdamW", Watched)
        trained(changed(one_step, max_grad_norm=max_grad_norm), network, source)
    norm = float(torch.cat([moment.flatten() for moment in moments]).norm()) / 0.1  # beta1 is 0.9
    assert (norm == pytest.approx(1, rel=1e-3)) if max_grad_norm else norm > 10


def test_a_batch_is_dealt_out_whole(train: Train) -> None:
    from varml.training.batches import own_share

    for size, num_processes in ((12, 2), (11, 2), (11, 4), (3, 4), (1, 4), (1, 2)):
        draw = Draw(0, 0, torch.arange(100, 100 + size))
        shares = [own_share(draw, rank, num_processes) for rank in range(num_processes)]
        counted = torch.cat([share.own_positions for share in shares if not share.idle])
        assert sorted(counted.tolist()) == draw.positions.tolist()
        assert sum(share.weight for share in shares) == pytest.approx(1)
        assert all(len(share.own_positions) for share in shares)
    assert own_share(draw, 0, 1) is draw
