"""Estimates of a prompt, learned from public outcomes."""

from pointsman.core.estimator.estimator import Estimate, Estimator
from pointsman.core.estimator.weights import Curves, Weights

__all__ = ["Curves", "Estimate", "Estimator", "Weights"]
