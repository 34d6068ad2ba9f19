"""Where a recogniser looks: the weights of all of its attention, for pictures of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from varml.models.recognizer import Recognizer
from varml.models.stream_encoder import StreamEncoder

Hook = Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Any], None]


def attention_weights(recognizer: Recognizer, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of each attention by the name of its module, (N, heads, queries, keys); rows sum to 1.

    ``features`` maps streams to (B, T, G, D). N is B, but for ``divided``: B*T for attention over the cells of a step,
    B*G over the steps of a cell, the video before the step or the cell. The query that pools the grid of a stream is
    among them as ``encoders.STREAM``, (B, 1, T, G). Seen is every ``nn.MultiheadAttention``, those of plugins too.
    """
    found: dict[str, Tensor] = {}
    attentions = [(name, m) for name, m in recognizer.named_modules() if isinstance(m, nn.MultiheadAttention)]
    # A hook also keeps torch from its fused layer, which gives no weights.
    hooks = [m.register_forward_hook(_recorder(found, name), with_kwargs=True) for name, m in attentions]
    was_training = recognizer.training
    try:
        with torch.inference_mode():
            recognizer.eval()(features)
            return _grid_weights(recognizer, features) | found
    finally:
        recognizer.train(was_training)
        for hook in hooks:
            hook.remove()


def _recorder(found: dict[str, Tensor], name: str) -> Hook:
    def record(attention: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any], _: Any) -> None:
        wanted = {**options, "need_weights": True, "average_attn_weights": False}
        found[name] = attention.forward(*inputs, **wanted)[1]

    return record


def _grid_weights(recognizer: Recognizer, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for stream, encoder in recognizer.encoders.items():
        assert isinstance(encoder, StreamEncoder)
        of_stream = encoder.grid_weights(features[stream])
        if of_stream is not None:
            weights[f"encoders.{stream}"] = of_stream[:, None]
    return weights
