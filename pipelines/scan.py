"""Lists what comes from outside by digest, labelled files, weights and plugins; runs each time and is light."""

from pipelines._stage import run_stage
from varml.config.check import source_faults, source_folder
from varml.config.params import Params
from varml.config.space import backbones_of
from varml.data.mirror_pairs import check_mirror_pairs
from varml.data.scan import scan, write_files
from varml.data.split_check import check_splits
from varml.errors import ConfigError
from varml.flow.estimator import weights_identity as flow_weights_identity
from varml.ground.atomic import write_json
from varml.ground.memory import Memory
from varml.ground.paths import FILES, PLUGINS, WEIGHTS, state_folder
from varml.ground.plugins import plugin_digests
from varml.models.weights import weights_identity


def main(params: Params) -> None:
    """The folder may have gone since params.yaml was checked."""
    faults = source_faults(params.model_dump())
    if faults:
        raise ConfigError(faults)
    source = source_folder(str(params.data.source))
    memory = Memory(state_folder() / "digests.sqlite")
    data = params.data
    files = scan(source, data.annotations, data.min_videos_per_class, memory, data.split_lists)
    check_mirror_pairs(data.mirror_pairs, {file.label for file in files})
    check_splits(files, params, memory)
    write_files(FILES, files)
    weights = {name: weights_identity(name, params.features.weights) for name in backbones_of(params)}
    flow = flow_weights_identity(params.flow.estimator, params.flow.weights)
    write_json(PLUGINS, plugin_digests(params.plugins))
    write_json(WEIGHTS, weights | ({params.flow.estimator: flow} if flow else {}))


if __name__ == "__main__":
    run_stage("scan", main)
