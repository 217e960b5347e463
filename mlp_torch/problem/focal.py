"""Focal loss: what is easy counts less, so that rows which the head gets wrong lead the training.

Book: ch. 3, Rebalancing. Source: Lin et al. 2017, "Focal Loss for Dense Object Detection": (1 - p)^gamma · -log p of
the class that came true. It is no proper score: its best probabilities are nearer to a half than the true ones, so that
a head trained with it needs calibration.

Shape: logits (B,) or (B, n), y (B,) -> (B,). Where gamma is 0, y may be probabilities: (B,), or (B, n) of classes.

>>> binary_focal(torch.tensor([0.0]), torch.tensor([1.0]), gamma=2.0)  # 0.5² · log 2
tensor([0.1733])
"""

import torch
from torch import Tensor, nn


def binary_focal(logit: Tensor, y: Tensor, *, gamma: float) -> Tensor:
    """Of one logit a row; gamma = 0 is cross-entropy."""
    entropy = nn.functional.binary_cross_entropy_with_logits(logit, y.to(logit.dtype), reduction="none")
    if gamma == 0:
        return entropy
    wrong = nn.functional.logsigmoid(torch.where(y == 1, -logit, logit))  # log(1 - p), which no rounding makes -inf
    return (gamma * wrong).exp() * entropy


def focal(logits: Tensor, y: Tensor, *, gamma: float) -> Tensor:
    """Of a logit a class; gamma = 0 is cross-entropy."""
    entropy = nn.functional.cross_entropy(logits, y.long() if y.dim() == 1 else y.to(logits.dtype), reduction="none")
    if gamma == 0:
        return entropy
    of_true = nn.functional.one_hot(y.long(), logits.shape[1]).bool()
    wrong = logits.log_softmax(dim=1).masked_fill(of_true, -torch.inf).logsumexp(dim=1)  # log(1 - p)
    return (gamma * wrong).exp() * entropy


def check_gamma(gamma: float) -> float:
    """Refuses what would make easy rows count more.

    Raises:
        ValueError: for less than 0.
    """
    if not gamma >= 0:
        raise ValueError(f"gamma must be at least 0, however: gamma={gamma}")
    return float(gamma)
