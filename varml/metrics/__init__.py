"""Metrics by the field's names, as scikit-learn and SciPy compute them."""
