"""Refits what is to be served on train and val, and saves it as one model that turns raw video into scores."""

from typing import Any

from pipelines._stage import run_stage
from varml.config.confirm_space import end_to_end_values
from varml.config.params import Params
from varml.config.space import searched_values
from varml.data.manifest import read_manifest
from varml.data.validation import TRAINING_SPLITS
from varml.ground.atomic import write_json
from varml.ground.content_key import file_digest
from varml.ground.paths import BEST, MANIFEST, MODEL, OOF, OOF_METRICS
from varml.models.model_files import model_digest, save_model
from varml.search.results import allowed_training, fitted_values, is_confirmed, ranked_params, read_best
from varml.tracking.provenance.kept import log_provenance
from varml.tracking.runs import KIND, MODEL_DIGEST, create_run, reap_runs, tracked
from varml.tracking.store import tracking_errors
from varml.training.checkpoint_files import remove_checkpoint
from varml.training.final_model import train_model
from varml.training.out_of_fold import read_oof
from varml.training.refit import Member
from varml.training.served import choose_served


@tracking_errors()
def main(params: Params) -> None:
    """The run is found again by the digest of the model that it made."""
    best = read_best(BEST)
    served = choose_served(read_oof(OOF), best["metric"], allowed_training(params, best))
    members = [
        Member(ranked_params(params, best, rank), share, fitted_values(best, rank), is_confirmed(best, rank))
        for rank, share in served.weights.items()
    ]
    reap_runs(params.register_.experiment, "train")
    with tracked(create_run(params.register_.experiment, "train", {KIND: "train"})) as run:
        run.log_params(_logged(members, [best["ranked"][rank]["trial"] for rank in served.weights]))
        run.log_dataset("manifest", file_digest(MANIFEST)[:32], "training")
        run.log_sources()
        log_provenance(run)
        run.log_metrics({f"oof_{name}": value for name, value in served.figures.items()})
        manifest = read_manifest(MANIFEST, splits=TRAINING_SPLITS)
        model = train_model(
            manifest, params, members, served, lambda place, epoch, m: run.log_metrics(_named(place, m), epoch)
        )
        save_model(MODEL, model)
        write_json(OOF_METRICS, served.figures)
        run.set_tags({MODEL_DIGEST: model_digest(MODEL)})
        for member in members:
            remove_checkpoint(member.params)


def _logged(members: list[Member], trials: list[int]) -> dict[str, Any]:
    logged: dict[str, Any] = {"num_members": len(members)}
    for place, (member, trial) in enumerate(zip(members, trials, strict=True)):
        values = {**searched_values(member.params), **end_to_end_values(member.params)}
        logged |= _named(place, {**values, **member.fitted, "weight": member.weight, "trial": trial})
    return logged


def _named(place: int, values: dict[str, Any]) -> dict[str, Any]:
    # What the best trial has stands under its usual name, so that runs of one model and of several can be compared.
    return {f"member_{place}.{name}": value for name, value in values.items()} if place else values


if __name__ == "__main__":
    run_stage("train", main)
