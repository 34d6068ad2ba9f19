"""The space of confirmation: which end-to-end values each confirmed trial is trained with.

Each combination of the choices under ``search.confirm.space`` is tried; what the space does not name has the value that
it has in params.yaml. A training takes minutes, so there are no ranges: what is tried stands there to be read.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from varml.config.params import Params
from varml.config.space import CONFIRM, CONFIRM_PREFIX, Choices, Dimension, active_values, parse_space, space_faults
from varml.config.tree import end_to_end_paths, get_path
from varml.errors import Fault

Values = dict[str, Any]  # by params path
UNFREEZE, AUGMENT = "train.unfreeze", "train.augment"
# Of a recogniser on frozen backbones and unchanged clips, whatever params.yaml says.
FROZEN: Values = {UNFREEZE: "none", AUGMENT: 0.0}
FINETUNE = "train.finetune."


def confirmed_choices(params: Params) -> list[Values]:
    """Return the end-to-end values with which each confirmed trial is trained, each combination once.

    Those that train nothing from pixels are left out: the trial itself is that training. ``train.finetune`` is idle,
    and not named, where ``train.unfreeze`` is ``none``.
    """
    dimensions, _ = parse_space(params.search.confirm.space, CONFIRM_PREFIX)
    own, offered = end_to_end_values(params), [dimension.samples() for dimension in dimensions.values()]
    combined = (dict(zip(dimensions, chosen, strict=True)) for chosen in product(*offered))
    tried = [_named({**own, **active_values(values, dimensions)}) for values in combined]
    return [values for place, values in enumerate(tried) if trains_pixels(values) and values not in tried[:place]]


def end_to_end_values(params: Params) -> Values:
    """Return every value that training from pixels alone reads, by params path."""
    tree = params.model_dump(by_alias=True)
    return {path: get_path(tree, path) for path in end_to_end_paths()}


def trains_pixels(values: Values) -> bool:
    """Return whether a training with these end-to-end ``values`` sees more than cached features."""
    return bool(values[UNFREEZE] != "none" or values[AUGMENT])


def confirm_faults(params: Params, dimensions: dict[str, Dimension]) -> list[Fault]:
    """Return the faults of the space of confirmation, and of a confirmation that would train nothing."""
    ranges = [
        Fault(
            f"{CONFIRM_PREFIX}.{path}",
            dimension.model_dump(exclude_defaults=True),
            "must be {choices: [...]}: each choice is trained end to end, and a range has no list of values",
        )
        for path, dimension in dimensions.items()
        if not isinstance(dimension, Choices)
    ]
    faults = ranges or space_faults(params, dimensions, CONFIRM)
    if not faults and params.search.confirm.top_k and not confirmed_choices(params):
        rule = (
            "would train nothing end to end, for train.unfreeze is none and train.augment 0 in all that is tried; name "
            "a choice under search.confirm.space, such as train: {unfreeze: {choices: [last_stage]}}, or set top_k to 0"
        )
        return [Fault("search.confirm.top_k", params.search.confirm.top_k, rule)]
    return faults


def _named(values: Values) -> Values:
    if values[UNFREEZE] != "none":
        return values
    return {path: value for path, value in values.items() if not path.startswith(FINETUNE)}
