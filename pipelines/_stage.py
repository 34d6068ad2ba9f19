"""What every stage has around its one library call: a lock, typed params, and errors without a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from varml.config.load import load_params
from varml.config.params import Params
from varml.errors import VarmlError
from varml.ground.allocator import keep_freed_memory
from varml.ground.locks import exclusive

INTERRUPTED_STATUS = 130


def run_stage(name: str, stage: Callable[[Params], None]) -> NoReturn:
    """Run one stage of the project in the current folder on its params, and exit with its status.

    A second run of the same stage is refused while the first is at work.
    """
    run_command(name, lambda: stage(load_params()))


def run_command(name: str, command: Callable[[], None]) -> NoReturn:
    """Run ``command`` under the lock ``name`` and exit with its status."""
    _keep_main_from_workers()
    keep_freed_memory()
    try:
        with exclusive(name):
            command()
    except VarmlError as error:
        sys.exit(f"{name}: {error}")
    except KeyboardInterrupt:
        print(f"{name}: interrupted; `dvc repro` goes on from here", file=sys.stderr)
        sys.exit(INTERRUPTED_STATUS)
    sys.exit(0)


def _keep_main_from_workers() -> None:
    # A spawned process imports the main module again, and with it all that a stage imports; no work is defined there.
    main = sys.modules["__main__"]
    main.__spec__ = None
    vars(main).pop("__file__", None)
