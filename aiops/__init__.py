"""The lifecycle of a clinical model: data, training, evaluation, fairness, decision."""

__version__ = "0.1.0"
