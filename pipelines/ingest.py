"""Probes each file, quarantines the unreadable, and gives every video its group and split."""

import sys

from pipelines._stage import run_stage
from varml.config.check import source_folder
from varml.config.params import Params
from varml.data.ingest import ingest
from varml.data.manifest import write_table
from varml.data.scan import read_files
from varml.ground.atomic import write_json
from varml.ground.memory import Memory
from varml.ground.paths import DATA_CARD, FILES, MANIFEST, QUARANTINE, state_folder


def main(params: Params) -> None:
    """Say in the terminal what was left out, and why."""
    source = source_folder(str(params.data.source))
    result = ingest(read_files(FILES), source, params, Memory(state_folder() / "probes.sqlite"))
    write_table(MANIFEST, result.manifest)
    write_table(QUARANTINE, result.quarantine)
    write_json(DATA_CARD, result.card)
    for row in result.quarantine.itertuples():
        print(f"quarantined '{row.path}': {row.reason}", file=sys.stderr)
    for warning in result.card["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    run_stage("ingest", main)
