"""Backbones and their weights, features, attention, fusion, the recogniser and its files."""
