"""Raw video in, class probabilities out, through the very functions that made the training data."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from varml.models.model_files import LoadedModel, load_model, model_digest
from varml.models.onnx_model import OnnxModel, is_export, load_export
from varml.video.reader import Frames
from varml.video.strange import StrangeVideo
from varml.video.strange_reader import StrangeReader


@dataclass(frozen=True)
class Prediction:
    """The answer for one video: ``probabilities`` by class, most probable first; they sum to 1.

    ``label`` is the most probable class, or ``unknown`` where the model is not sure enough of it.
    """

    label: str
    probabilities: dict[str, float]

    @property
    def probability(self) -> float:
        """Probability of the most probable class."""
        return next(iter(self.probabilities.values()))


class Predictor:
    """A model folder or an export of one, loaded.

    ``digest`` is the sha256 that stands for the model, None of a model that has no folder.
    """

    def __init__(self, model: LoadedModel | OnnxModel, digest: str | None = None) -> None:
        self.model, self.digest = model, digest
        self.classes = model.description.classes
        self._reader = StrangeReader(model.description.preprocessing.probe.memory_mb)

    @classmethod
    def load(cls, folder: Path) -> Predictor:
        """Load a model folder, or an export; raises ModelError where it is incomplete or was altered."""
        if is_export(folder):
            export = load_export(folder)
            return cls(export, export.digest)
        model = load_model(folder)
        _ = model.ensemble  # made now, and not by several threads that ask for it at once
        return cls(model, model_digest(folder))

    def predict_file(self, video: Path) -> Prediction:
        """Return the answer for one video file; raises VideoError with the reason where it cannot be read."""
        return self.answer(self._decode(video))

    def answer(self, frames: Frames) -> Prediction:
        """Return the answer for frames (S, F, H, W, 3) uint8 as they are stored."""
        probabilities = self.score(frames)
        ranked = np.argsort(-probabilities, kind="stable")
        named = {self.classes[i]: float(probabilities[i]) for i in ranked}
        (answer,) = self.model.description.answers(probabilities[None])
        return Prediction(answer, named)

    def predict_bytes(self, videos: Sequence[bytes]) -> list[Prediction]:
        """Return the answer for the bytes of each video file."""
        answers = []
        for content in videos:
            with tempfile.NamedTemporaryFile(suffix=".video") as file:
                file.write(content)
                file.flush()
                answers.append(self.predict_file(Path(file.name)))
        return answers

    def score(self, frames: Frames) -> npt.NDArray[np.float32]:
        """Return the probability of each class, (K,), for frames (S, F, H, W, 3) uint8 as they are stored."""
        return self.model.score(frames)

    def _decode(self, video: Path) -> Frames:
        pre = self.model.description.preprocessing
        return self._reader.read(StrangeVideo(video, pre.frames, pre.probe)).frames
