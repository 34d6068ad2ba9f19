"""`varml serve`: reads the token, takes the address, loads the model and listens."""

from __future__ import annotations

import os
from typing import Any

from varml.serving.server import bind, serve
from varml.serving.settings import TOKEN_VARIABLE, Settings
from varml.tracking.served_model import find_model


def run_service(model: str | None, **values: Any) -> None:
    """Serve until a signal ends it; ``values`` are those of :class:`Settings` but the token.

    Raises ServingError where it may not start so, before a model is loaded, and what loading a model raises.
    """
    import torch

    settings = Settings(token=os.environ.get(TOKEN_VARIABLE), **values)
    with bind(settings) as bound:
        # An export takes as many as there are when it is loaded.
        torch.set_num_threads(settings.num_threads)
        serve(find_model(model), settings, bound)
