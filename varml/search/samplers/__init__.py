"""How values are drawn: the registered samplers, one file each."""

from varml.search.samplers.base import Sampler, canonical_sampler, make_sampler, samplers

__all__ = ["Sampler", "canonical_sampler", "make_sampler", "samplers"]
