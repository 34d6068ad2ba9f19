"""Checks all of params.yaml before any work: types, ranges, space, names, data source, weights, tracking server."""

from pipelines._stage import run_command
from varml.config.check import Arguments, check_params
from varml.config.confirm_space import AUGMENT, confirmed_choices
from varml.config.space import backbones_of
from varml.flow.estimator import estimators, make_estimator
from varml.ground.atomic import write_json
from varml.ground.paths import CHECK, PARAMS
from varml.models.attention import attention_kinds
from varml.models.backbones import backbone_names
from varml.models.features import stream_backbones
from varml.models.fusion import fusions
from varml.search.pruners import pruners
from varml.search.samplers import samplers
from varml.tracking.store import ping_store
from varml.video.transforms.augment import in_order


def main() -> None:
    """Write the same content each time: later stages depend on the values that they read, not on this file."""
    params = check_params(PARAMS, _names, _arguments)
    ping_store()
    for backbone in backbones_of(params):
        stream_backbones(backbone, params.features, params.frames.frames_per_segment, params.features.weights)
    make_estimator(params.flow.estimator, params.flow.weights)
    confirmed = confirmed_choices(params) if params.search.confirm.top_k else []
    if params.train.augment or any(values[AUGMENT] for values in confirmed):
        in_order()  # a transform of no kind would end the training, after hours of search
    write_json(CHECK, {"params": "checked"})


def _names() -> dict[str, list[str]]:
    return {
        "model.backbone": backbone_names(),
        "model.attention.kind": attention_kinds.names(),
        "model.fusion": fusions.names(),
        "flow.estimator": estimators.names(),
    }


def _arguments() -> Arguments:
    return {"search.sampler": samplers.entries(), "search.pruner": pruners.entries()}


if __name__ == "__main__":
    run_command("check", main)
