"""Everything in params.yaml: types and ranges, the search space, reading and checking."""

from varml.config.load import load_params, parse_params
from varml.config.params import Params

__all__ = ["Params", "load_params", "parse_params"]
