"""A small, made-up action recognition dataset: drawn people in short H.264 videos."""

from varml.data.sample.generate import make_sample

__all__ = ["make_sample"]
