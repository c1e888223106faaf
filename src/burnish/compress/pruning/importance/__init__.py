"""How much each channel matters: the channels that matter least are cut first."""

from burnish.compress.pruning.importance.activations import ActivationVariance, activation_variances
from burnish.compress.pruning.importance.build import ImportanceName, build_importance
from burnish.compress.pruning.importance.chance import Random
from burnish.compress.pruning.importance.gradients import Gradients, gradient_effects
from burnish.compress.pruning.importance.magnitude import Magnitude, NormScale
from burnish.compress.pruning.importance.protocol import Importance

__all__ = [
    "ActivationVariance",
    "Gradients",
    "Importance",
    "ImportanceName",
    "Magnitude",
    "NormScale",
    "Random",
    "activation_variances",
    "build_importance",
    "gradient_effects",
]
