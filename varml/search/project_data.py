"""The search of a project: features of train and val only, its folds, and the name of its study."""

from __future__ import annotations

from dataclasses import asdict
from functools import lru_cache, partial
from typing import Any

import pandas as pd

from varml.config.objectives import LATENCY
from varml.config.params import Params
from varml.config.search_params import Search as SearchParams
from varml.config.space import backbones_of, searched_values
from varml.config.views import list_views, stored_views
from varml.data.dataset import FeatureSet
from varml.data.manifest import class_names, read_manifest
from varml.data.mirror_pairs import mirrored_positions
from varml.data.validation import TRAINING_SPLITS, make_validation
from varml.ground.content_key import content_key
from varml.ground.engine import resolve_num_workers
from varml.ground.paths import MANIFEST, state_folder
from varml.ground.plugins import plugin_digests
from varml.models.feature_files import feature_files
from varml.search.latency_memory import device
from varml.search.metric import with_metric
from varml.search.objective import LoadFeatures, LoadFoldFeatures, Objective
from varml.search.parallel.shared_study import Work
from varml.search.pruners import acting_pruner, canonical_pruner
from varml.search.samplers import canonical_sampler
from varml.search.terms import Terms
from varml.training.adaptations import adaptations_of, list_adaptations
from varml.training.adapted import with_adapted
from varml.training.data import load_searched

# Raise it when the same values on the same data may give another result: trials of both must not be compared.
VERSION = 7


def project_work(params: Params) -> tuple[Work, list[str]]:
    """Return the search of the project in the current folder, and what its folds are to be warned of."""
    rows = read_manifest(MANIFEST, splits=TRAINING_SPLITS)
    params = with_metric(params, rows)
    _, warnings = make_validation(rows, params)
    terms = study_terms(rows, params, backbones_of(params))
    name = study_name(terms, params.search)
    return Work(params, state_folder() / "studies", name, terms, partial(project_objective, params)), warnings


def project_objective(params: Params) -> Objective:
    """Return the objective of a search by ``params`` in the project in the current folder.

    The processes that run trials at the same time share those that train folds at the same time.
    """
    rows = read_manifest(MANIFEST, splits=TRAINING_SPLITS)
    load = feature_loader(rows, params)
    folds, _ = make_validation(rows, params)
    fold_workers = max(1, resolve_num_workers(params.engine.num_workers) // params.search.num_workers)
    return Objective(params, load, folds, fold_loader(rows, params, load), fold_workers)


def feature_loader(manifest: pd.DataFrame, params: Params) -> LoadFeatures:
    """Return a function from a backbone to the features of train and val; it keeps the last two."""

    @lru_cache(maxsize=2)
    def load(backbone: str) -> FeatureSet:
        return load_searched(manifest, params, backbone)

    return load


def fold_loader(rows: pd.DataFrame, params: Params, load: LoadFeatures) -> LoadFoldFeatures | None:
    """Return a function from a backbone and a fold to the features of ``rows``, adapted to its training part.

    None where no stream is adapted. ``load`` gives the frozen features; the last two folds are kept.
    """
    adaptations = list_adaptations(rows, params)
    if not adaptations:
        return None

    @lru_cache(maxsize=2)
    def load_fold(backbone: str, fold: int) -> FeatureSet:
        found = adaptations_of(adaptations, backbone, fold)
        return with_adapted(load(backbone), found, params.frames.num_segments)

    return load_fold


def study_name(terms: Terms, search: SearchParams) -> str:
    """Return a name that changes with all that makes a study another one: its terms, its space and its sampler."""
    return (
        f"varml-{content_key(terms=asdict(terms), space=search.space, sampler=canonical_sampler(search.sampler))[:12]}"
    )


def study_terms(rows: pd.DataFrame, params: Params, backbones: list[str]) -> Terms:
    """Return what trials must have in common to be compared."""
    evaluation = content_key(
        version=VERSION,
        seed=params.seed,
        protocol=_protocol(params),
        data=rows[["video_id", "label", "group", "split"]].to_numpy().tolist(),
        # A fusion of the user's own may be another one under the same name.
        plugins=plugin_digests(params.plugins) if params.plugins else [],
        views=params.views.model_dump(),
        mirror=mirrored_positions(params.data.mirror_pairs, class_names(rows)),
    )
    adapted = list_adaptations(rows, params)
    features = {
        name: content_key(
            stored=_feature_names(rows, params, name), adapted=[one.key for one in adapted if one.backbone == name]
        )
        for name in backbones
    }
    return Terms(evaluation, features, searched_values(params))


def _protocol(params: Params) -> list[Any]:
    search = params.search
    latency = [LATENCY, device()] if search.weighs_latency else []  # figures of two devices do not compare
    return [search.metric, search.validation, search.num_folds, canonical_pruner(acting_pruner(params)), *latency]


def _feature_names(rows: pd.DataFrame, params: Params, backbone: str) -> list[str]:
    views = stored_views(list_views(params.views, mirror=False))
    return [file.name for view in views for file in feature_files(rows, params, backbone, view=view)]
