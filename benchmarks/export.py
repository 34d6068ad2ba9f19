"""What an export is worth: the forward pass of a model by PyTorch and by onnxruntime, on the same images and one core.

``python -m benchmarks.export --model DIR`` exports the model folder ``DIR``, and lets both answer in turns. Decoding,
flow and scaling, which are the same for both, lie before.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from benchmarks.interleaved import interleaved
from benchmarks.report import Figure, report
from varml.models.model_files import load_model, model_digest
from varml.models.onnx_export import export_model, random_images
from varml.models.onnx_model import load_export
from varml.models.whole_model import WholeModel

GOAL = 2.0


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    report("an export", _measure(arguments.model, arguments.rounds), arguments.json)


def _measure(folder: Path, rounds: int) -> list[Figure]:
    model = load_model(folder)
    whole = WholeModel(model).eval()
    images = random_images(whole, model, seed=0)
    with tempfile.TemporaryDirectory() as temporary, torch.inference_mode():
        target = Path(temporary, "export")
        difference = export_model(model, model_digest(folder), target)
        export = load_export(target)
        fed = {name: one.numpy() for name, one in zip(export.looks, images, strict=True)}
        seconds = interleaved(
            {"eager": lambda: whole(*images), "export": lambda: export.session.run(None, fed)}, rounds
        )
    return [
        Figure("forward of a video, PyTorch, float32", 1000 * seconds["eager"], "ms"),
        Figure("forward of a video, onnxruntime", 1000 * seconds["export"], "ms"),
        Figure("onnxruntime against PyTorch", seconds["eager"] / seconds["export"], "times", GOAL, at_least=True),
        Figure("largest difference of a probability, in 1e-6", 1e6 * difference, ""),
    ]


if __name__ == "__main__":
    main()
