"""The exceptions that varml raises.

::

    VarmlError
    ├── ConfigError      params.yaml breaks a rule (all faults together)
    ├── DataError        the data source, labels, groups or splits break a rule
    ├── VideoError       one video cannot be read; its message is the reason in quarantine.csv
    ├── StoreError       a packed file, an extracted file or a lock is missing or damaged
    ├── WeightsError     pretrained weights cannot be found or do not fit
    ├── ModelError       a model folder is missing, altered or of another format
    ├── TrainingError    a training gives no numbers
    ├── SearchError      no trial of the search can be used
    ├── TrackingError    MLflow has not got the run, model or version asked for
    ├── EngineError      a worker process does not start
    ├── FlowError        a flow estimator gives what is no flow
    ├── ServingError     the HTTP service cannot start as it was asked to
    └── UnknownNameError no part of that name is registered (a KeyError too)

Each message states the thing, the rule, the value that broke it and the remedy. Stages and the command line
print the message without a traceback and exit with status 1.
"""

from __future__ import annotations

from dataclasses import dataclass


class VarmlError(Exception):
    """Base of every error that varml raises on purpose."""


def first_line(error: BaseException) -> str:
    """Return the first line of what ``error`` says, or its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True)
class Fault:
    """One rule that one value of the configuration breaks."""

    path: str
    value: object
    rule: str
    nearest: str | None = None

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest!r}?" if self.nearest else ""
        return f"{self.path} = {self.value!r}: {self.rule}{hint}"


class ConfigError(VarmlError):
    """One or more faults in params.yaml, reported together."""

    def __init__(self, faults: list[Fault], source: str = "params.yaml") -> None:
        self.faults = faults
        self.source = source
        noun = "fault" if len(faults) == 1 else "faults"
        lines = "\n".join(f"  {fault}" for fault in faults)
        super().__init__(f"{source} has {len(faults)} {noun}; mend it and run `dvc repro` again:\n{lines}")

    def __reduce__(self) -> tuple[type[ConfigError], tuple[list[Fault], str]]:
        return type(self), (self.faults, self.source)


class DataError(VarmlError):
    """The data source, the labels, the groups or the splits break a rule."""


class VideoError(VarmlError):
    """One video cannot be read."""


class StoreError(VarmlError):
    """A stored file or a lock is missing, damaged or held."""


class WeightsError(VarmlError):
    """Pretrained weights cannot be found or do not fit their backbone."""


class ModelError(VarmlError):
    """A model folder is missing, altered or of a format that this version does not read."""


class TrainingError(VarmlError):
    """The loss of a training, or its gradient, is NaN or infinite."""


class SearchError(VarmlError):
    """The search ends without one usable trial."""


class TrackingError(VarmlError):
    """MLflow has not got the run, the model or the version asked for."""


class EngineError(VarmlError):
    """A worker process does not start."""


class FlowError(VarmlError):
    """A flow estimator gives what is no flow."""


class ServingError(VarmlError):
    """The HTTP service cannot start as it was asked to."""


class UnknownNameError(VarmlError, KeyError):
    """No part of that name is registered."""

    # A KeyError shows its message in quotes.
    __str__ = Exception.__str__
