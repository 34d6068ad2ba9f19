"""The MLflow registry: versions, what they said of the test videos, the gate, and which of them serves."""
