"""Optical flow: estimators, and the store of their output."""
