"""Estimates of a prompt, learned from public outcomes."""

from pointsman.core.estimator.estimator import Estimate, Estimator
from pointsman.core.estimator.network import Network
from pointsman.core.estimator.signs import has_program
from pointsman.core.estimator.weights import Weights

__all__ = ["Estimate", "Estimator", "Network", "Weights", "has_program"]
