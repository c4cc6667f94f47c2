"""The lifecycle of a clinical model: data, training, evaluation, fairness, decision."""

import os

# Before anything imports MLflow, which reads them once: MONAI may, and so may a notebook.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")

__version__ = "0.1.0"
