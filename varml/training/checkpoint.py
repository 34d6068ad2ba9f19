"""Where an interrupted training stands, so that it goes on from its last epoch and ends as if nothing had happened."""

from __future__ import annotations

import hashlib
import io
import logging
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from varml.ground.atomic import atomic_writer

logger = logging.getLogger(__name__)

State = dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """The file of one training, written anew after every ``every`` epochs.

    ``key`` stands for all that makes the training (:func:`varml.ground.content_key.content_key`): params, data, seed.
    The file begins with the sha256 of the rest, which ``torch.save`` wrote and which is loaded without unpickling any
    object.
    """

    file: Path
    key: str
    every: int = 1

    def is_due(self, epoch: int, num_epochs: int) -> bool:
        """Return whether ``epoch`` is to be saved; the last one is, for its product may not be saved yet."""
        return (epoch + 1) % self.every == 0 or epoch + 1 == num_epochs

    def save(self, state: State) -> None:
        """Write ``state``, tensors and plain values, in place of what the file held."""
        import torch

        buffer = io.BytesIO()
        torch.save({"key": self.key, "state": state}, buffer)
        with atomic_writer(self.file) as file:
            file.write(hashlib.sha256(buffer.getbuffer()).hexdigest().encode() + b"\n")
            file.write(buffer.getbuffer())

    def load(self) -> State | None:
        """Return the state of the training that was interrupted, or None where there is none.

        A damaged file, and one of another training, is left alone with a warning: the training begins anew.
        """
        import torch

        if not self.file.is_file():
            return None
        try:
            digest, _, content = self.file.read_bytes().partition(b"\n")
            if hashlib.sha256(content).hexdigest().encode() != digest:
                raise ValueError("its content is not that of its sha256")
            saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except (OSError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
            logger.warning("%s is no readable checkpoint (%s); the training begins anew", self.file, error)
            return None
        if saved["key"] != self.key:
            logger.warning("%s is of another training; this one begins anew", self.file)
            return None
        return dict(saved["state"])

    def remove(self) -> None:
        """Remove the file: the training has ended and its product is saved."""
        self.file.unlink(missing_ok=True)
