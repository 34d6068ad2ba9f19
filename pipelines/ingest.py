"""Probes each file, quarantines the unreadable, and gives every video its group and split."""

import sys
from pathlib import Path

from pipelines._stage import run_stage
from varml.config.check import source_folder
from varml.config.params import Params
from varml.data.card import data_page
from varml.data.contact_sheet import class_frames, contact_sheet
from varml.data.ingest import Ingested, ingest
from varml.data.manifest import clips_of, write_table
from varml.data.scan import read_files
from varml.ground.atomic import write_bytes, write_json, write_text
from varml.ground.memory import Memory
from varml.ground.paths import CONTACT_SHEET, DATA_CARD, DATA_PAGE, FILES, MANIFEST, QUARANTINE, state_folder


def main(params: Params) -> None:
    """Say in the terminal what was left out, and why."""
    source = source_folder(str(params.data.source))
    result = ingest(read_files(FILES), source, params, Memory(state_folder() / "probes.sqlite"))
    write_table(MANIFEST, result.manifest)
    write_table(QUARANTINE, result.quarantine)
    write_json(DATA_CARD, result.card)
    _write_page(result, params, source)
    for row in result.quarantine.itertuples():
        print(f"quarantined '{row.path}': {row.reason}", file=sys.stderr)
    for warning in result.card["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)


def _write_page(result: Ingested, params: Params, source: Path) -> None:
    clips = clips_of(result.manifest, source)
    picture = contact_sheet(class_frames(result.manifest, clips, params.ingest.probe, params.engine.num_workers))
    write_bytes(CONTACT_SHEET, picture)
    write_text(DATA_PAGE, data_page(result.card, picture))


if __name__ == "__main__":
    run_stage("ingest", main)
