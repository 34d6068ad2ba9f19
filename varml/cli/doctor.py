"""What `varml doctor` looks at: each check says what it found, or what to mend."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from varml.config.params import Probe
from varml.errors import VarmlError
from varml.ground.paths import PARAMS

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "optuna",
    "mlflow",
    "dvc",
    "av",
    "opencv-python-headless",
    "scikit-learn",
)

# For the doctor's own video, where there may be no params.yaml.
LIMITS = Probe(
    timeout_sec=10,
    timeout_sec_per_mb=1,
    memory_mb=4096,
    max_frame_megapixels=1,
    max_video_gigapixels=1,
    reader="decord",
)


def run_checks() -> bool:
    """Print the outcome of every check; return whether all is well."""
    console, well = Console(soft_wrap=True, highlight=False), True
    for check in (_versions, _device, _decoders, _weights, _store):
        ok, text = _outcome(check)
        well &= ok
        console.print(f"{'ok  ' if ok else 'FAIL'} {check.__name__.strip('_'):9} {text}", markup=False)
    return well


def _outcome(check: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, check()
    except VarmlError as error:
        return False, str(error)
    except Exception as error:  # a doctor reports what it meets
        return False, f"{type(error).__name__}: {error}; if a package is at fault, `pip install -e .` again"


def _versions() -> str:
    return ", ".join([f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)])


def _device() -> str:
    import torch

    cores = len(os.sched_getaffinity(0))
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {cores} cores (no GPU is needed)"


def _decoders() -> str:
    from varml.data.sample import make_sample
    from varml.video.probe import probe_video

    with tempfile.TemporaryDirectory() as folder:
        (video, *_) = make_sample(Path(folder) / "sample", actions=["wave"], num_persons=1, clips_per_person=1)
        info = probe_video(video, LIMITS)
    return f"a fresh H.264 video of {info.num_frames} frames is read right by {info.reader}"


def _weights() -> str:
    from varml.config import load_params
    from varml.config.space import backbones_of
    from varml.models.features import stream_backbones

    if not PARAMS.is_file():
        return "no params.yaml here; run it in a project to check the weights of its backbones"
    params = load_params()
    for backbone in backbones_of(params):
        stream_backbones(backbone, params.features, params.frames.frames_per_segment, params.features.weights)
    return f"found for {', '.join(backbones_of(params))}"


def _store() -> str:
    from varml.tracking.store import open_client, ping_store, place_of_store, tracking_errors

    if not PARAMS.is_file():
        return "no params.yaml here; run it in a project to check its MLflow store"
    ping_store()
    with tracking_errors():
        open_client().search_experiments(max_results=1)
    return f"MLflow answers at {place_of_store()}"
