"""The input example of each registered model: a drawn clip, for a model must not carry anybody's videos."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

from varml.data.sample import make_sample


def input_example() -> pd.DataFrame:
    """Return one row with the column ``video``: the bytes of an H.264 clip of about 10 KB."""
    with tempfile.TemporaryDirectory() as folder:
        (clip,) = make_sample(Path(folder) / "clips", actions=["wave"], num_persons=1, clips_per_person=1)
        return pd.DataFrame({"video": [clip.read_bytes()]})
