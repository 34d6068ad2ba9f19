"""How far a training has come, as a checkpoint holds it: weights, optimiser, schedule, average, generators, metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from varml.training.checkpoint import Checkpoint, State
from varml.training.steps import Steps

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def progress(steps: Steps, metrics: list[dict[str, float]], precision: str | None) -> State:
    """Return the state after as many epochs as there are ``metrics``; every process of a launcher takes part."""
    return {
        **{name: part.state_dict() for name, part in _parts(steps).items()},
        "generators": _generators(steps.fabric),
        "metrics": metrics,
        "precision": precision,
        "num_processes": steps.fabric.world_size,
    }


def saved_progress(checkpoint: Checkpoint | None, fabric: Fabric) -> State | None:
    """Return the state that the first process finds, if any; that of another number of processes is not taken."""
    state = checkpoint.load() if checkpoint is not None and fabric.is_global_zero else None
    state = fabric.broadcast(state) if fabric.world_size > 1 else state
    return state if state and state["num_processes"] == fabric.world_size else None


def restore(steps: Steps, state: State) -> None:
    """Put ``steps`` and the generators of this process where ``state`` was taken."""
    for name, part in _parts(steps).items():
        part.load_state_dict(state[name])
    own = {device: states[steps.fabric.global_rank] for device, states in state["generators"].items()}
    torch.set_rng_state(own["cpu"].clone())  # it reads a view from the beginning of its storage, or beyond its end
    if "cuda" in own:
        torch.cuda.set_rng_state(own["cuda"], steps.fabric.device)


def _parts(steps: Steps) -> dict[str, Any]:
    parts = {"network": steps.network, "optimizer": steps.optimizer, "schedule": steps.schedule}
    return parts if steps.average is None else {**parts, "average": steps.average}


def _generators(fabric: Fabric) -> dict[str, list[Tensor]]:
    states = {"cpu": torch.get_rng_state()}
    if fabric.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(fabric.device)
    return {device: _of_all_processes(fabric, state) for device, state in states.items()}


def _of_all_processes(fabric: Fabric, state: Tensor) -> list[Tensor]:
    if fabric.world_size == 1:
        return [state]
    gathered: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(gathered, state)
    return gathered
