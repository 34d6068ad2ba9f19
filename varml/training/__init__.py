"""Training on cached features: the loop, cross-validation, the baseline. Knows neither MLflow nor Optuna."""
