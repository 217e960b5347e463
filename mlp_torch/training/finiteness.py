"""Numbers of a training step that must be finite, on a device that is not waited for at each step.

>>> watch = Finiteness()
>>> watch.every = 50
>>> [watch.holds("loss", torch.tensor(x), step) for step, x in enumerate([0.5, torch.inf, 0.4])]
[True, True, True]
>>> watch.check(2, torch.device("cpu"))
Traceback (most recent call last):
mlp_torch.training.finiteness.NonFiniteLoss: the loss must be finite, however: step 1, found after step 2 on cpu, \
which is asked every 50 steps; a lower optimizer.lr or trainer.gradient_clip_val=1 often helps
"""

import torch
from torch import Tensor

from mlp_torch.errors import UserError

HINT = "a lower optimizer.lr or trainer.gradient_clip_val=1 often helps"


class NonFiniteLoss(UserError, RuntimeError):
    """Training diverged: a loss, gradient or weight is not finite. The checkpoints hold the last finite state."""


class Finiteness:
    """The first step at which something was not finite.

    Attributes:
        every: steps after which the device is asked: 1 on a CPU, where asking costs nothing, more elsewhere.
    """

    def __init__(self) -> None:
        self.every = 1
        self.first: dict[str, Tensor] = {}  # step, on the device; -1 where all was finite

    def holds(self, what: str, value: Tensor, step: int) -> bool:
        """Whether a number is finite; if the device is asked now and then, that is noted there and this is True."""
        if self.every == 1:
            return bool(torch.isfinite(value))
        first = self.first.setdefault(what, torch.full_like(value, -1, dtype=torch.int64))
        bad = ~torch.isfinite(value.detach())
        self.first[what] = torch.where((first < 0) & bad, torch.full_like(first, step), first)
        return True

    def check(self, step: int, device: torch.device) -> None:
        """Stops if something was not finite since training began.

        Args:
            step: the one that is done.
            device: that was asked.

        Raises:
            NonFiniteLoss: naming the step.
        """
        found = {what: int(first) for what, first in self.first.items()}
        for what, bad in sorted(found.items(), key=lambda item: item[1]):
            if bad >= 0:
                text = f"step {bad:,}, found after step {step:,} on {device}, which is asked every {self.every} steps"
                raise NonFiniteLoss(f"the {what} must be finite, however: {text}; {HINT}")
