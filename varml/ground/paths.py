"""Where everything lies, relative to the project root; ``dvc.yaml`` shows the same paths and a test compares."""

from __future__ import annotations

import os
from pathlib import Path

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")

CHECK = Path("data/check.json")
FILES = Path("data/files.csv")
WEIGHTS = Path("data/weights.json")
PLUGINS = Path("data/plugins.json")
MANIFEST = Path("data/manifest.csv")
QUARANTINE = Path("data/quarantine.csv")
DATA_CARD = Path("data/data_card.json")
DATA_PAGE = Path("data/data_card.html")
CONTACT_SHEET = Path("data/contact_sheet.png")
FRAMES = Path("data/frames")
FLOW = Path("data/flow")
FLOW_METRICS = Path("metrics/flow.json")
FEATURES = Path("data/features")
ADAPTED = Path("data/adapted")
ADAPTED_STREAMS = ADAPTED / "streams.json"

BEST = Path("search/best.yaml")
TRIALS = Path("search/trials.csv")
OOF = Path("search/oof.npz")
BASELINE = Path("search/baseline.json")
SEARCH_METRICS = Path("metrics/search.json")

MODEL = Path("model")
OOF_METRICS = Path("metrics/oof.json")
TEST_METRICS = Path("metrics/test.json")
PREDICTIONS = Path("metrics/predictions.csv")
CONFUSION = Path("plots/confusion.csv")
COVERAGE = Path("plots/coverage.csv")
REGISTERED = Path("metrics/registered.json")

# What `varml inspect` writes, unless told otherwise; no stage's out.
INSPECTED = Path("inspected")

# Folders that stages write: a data source inside one of them would be deleted or would feed on itself.
OUT_FOLDERS = (
    Path("data"),
    Path("search"),
    MODEL,
    Path("metrics"),
    Path("plots"),
    Path(".varml"),
    Path(".dvc"),
)


def project_root() -> Path:
    """Return the project's root: ``DVC_ROOT`` where DVC runs us, else the nearest folder up with ``.dvc``.

    ``dvc exp run --temp`` runs stages in a throw-away folder and sets ``DVC_ROOT`` to the real project, which
    is where runs and studies must go. Without either, the current folder is the root.
    """
    named = os.environ.get("DVC_ROOT")
    if named:
        return Path(named).resolve()
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), here)


def state_folder() -> Path:
    """Return ``.varml`` under the project root: what is alive (studies, locks, digests) and no stage's out."""
    folder = project_root() / ".varml"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
