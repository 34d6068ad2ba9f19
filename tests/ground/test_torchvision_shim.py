"""timm can be imported through varml whatever torchvision stands beside torch."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
try:
    import torchvision
except RuntimeError as error:
    assert "torchvision::nms" in str(error), error
from varml.models.backbones import build_backbone
assert build_backbone("test_resnet", 64, None).dim == 96
import torchvision
import timm.data.transforms_factory
print(torchvision.__version__)
"""


def test_a_fresh_process_imports_timm_even_after_torchvision_failed() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
