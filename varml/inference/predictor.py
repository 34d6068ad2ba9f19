"""Raw video in, class probabilities out, through the very functions that made the training data."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from varml.flow.store import clip_flow
from varml.models.ensemble import compute_inputs
from varml.models.model_files import LoadedModel, load_model
from varml.video.reader import Frames
from varml.video.strange import StrangeVideo, read_isolated


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
    """A model folder, loaded."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.classes = model.description.classes

    @classmethod
    def load(cls, folder: Path) -> Predictor:
        """Load a model folder; raises ModelError where it is incomplete or was altered."""
        return cls(load_model(folder))

    def predict_file(self, video: Path) -> Prediction:
        """Return the answer for one video file; raises VideoError with the reason where it cannot be read."""
        probabilities = self.score(self._decode(video))
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
        pre, ensemble = self.model.description.preprocessing, self.model.ensemble
        flow = clip_flow(frames, pre.flow)
        features = compute_inputs(ensemble.inputs, self.model.backbones, frames, flow, pre.features)
        return np.asarray(ensemble.predict({one: values[None] for one, values in features.items()})[0])

    def _decode(self, video: Path) -> Frames:
        pre = self.model.description.preprocessing
        return read_isolated(StrangeVideo(video, pre.frames, pre.probe)).frames
