"""Exports of registered models, kept with the runs that trained them."""

from __future__ import annotations

from pathlib import Path

from varml.models.model_files import model_digest
from varml.tracking.registry.versions import find_version, numbers_of
from varml.tracking.store import open_client

FOLDER = "onnx"
# Tags of a version: the digest of its export, and how far its probabilities were off.
EXPORT = "varml.onnx"
DIFFERENCE = "varml.onnx.largest_difference"


def log_export(folder: Path, name: str, digest: str, difference: float) -> list[str]:
    """Keep the export in ``folder`` with each version of ``name`` that is the model ``digest``; return their numbers.

    Where it lies in the store is ``onnx/`` among the artifacts of the version's run.
    """
    client = open_client()
    found = [find_version(client, name, number) for number in numbers_of(client, name, digest)]
    versions = [(version, version.run) for version in found if version.run is not None]
    for version, run in versions:
        client.log_artifacts(run.run_id, str(folder), FOLDER)
        for key, value in {EXPORT: model_digest(folder), DIFFERENCE: f"{difference:.3g}"}.items():
            client.set_model_version_tag(name, version.number, key, value)
    return [version.number for version, _ in versions]
