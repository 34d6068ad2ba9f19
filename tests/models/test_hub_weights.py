"""Weights from timm's hub, read from a cache folder in a process of its own, because the cache is fixed at import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from varml.models.backbones import build_backbone

CACHED, MISSING = "test_resnet.r160_in1k", "test_vit.r160_in1k"
REVISION = "0" * 40

SCRIPT = """
import json, sys, torch
from safetensors.torch import load_file
from varml.errors import WeightsError
from varml.models.backbones import build_backbone

cached, missing, own = sys.argv[1:]
loaded = build_backbone(cached, 64, {}).network.state_dict()
expected = load_file(own)
print(json.dumps({
    "wrong": [key for key, value in loaded.items() if not torch.equal(value, expected[key])],
    "num_loaded": len(loaded),
}))
try:
    build_backbone(missing, 64, {})
    print(json.dumps("no error"))
except WeightsError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    cache = tmp_path_factory.mktemp("hub")
    own = lay_out(cache)
    environment = os.environ | {"HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, CACHED, MISSING, str(own)],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def lay_out(cache: Path) -> Path:
    """Lay out a cache as the hub's client does, with weights of our own; return their file."""
    repository = cache / f"models--timm--{CACHED}"
    snapshot = repository / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISION)
    build_backbone(CACHED, 64, None)  # timm can be imported from here on
    import timm

    torch.manual_seed(5)
    save_file(timm.create_model(CACHED, pretrained=False).state_dict(), snapshot / "model.safetensors")
    return snapshot / "model.safetensors"


def test_cached_weights_are_loaded(lines: list[object]) -> None:
    assert lines[0] == {"wrong": [], "num_loaded": len(build_backbone(CACHED, 64, None).network.state_dict())}


def test_weights_that_the_hub_cannot_give_are_an_error_with_the_remedy(lines: list[object]) -> None:
    message = str(lines[1])
    for part in (MISSING, "go online once", "HF_HUB_CACHE", "features.weights", "tf_efficientnet_lite0"):
        assert part in message
