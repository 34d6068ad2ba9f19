"""MLflow: where runs go, what they are tagged with, the model flavor, the registry."""
