"""The LightningModule: it owns no part of the problem, the model or the data; it calls them.

Randomness of a step (dropout, hidden categories) is a pure function of (seed, epoch, batch, rank): the generator is
seeded anew before each step, so that a resumed run draws what the killed one would have drawn.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from mlp_torch.errors import UserError
from mlp_torch.head import Batch
from mlp_torch.model import Model, padded
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.responsible.baselines import judge
from mlp_torch.target import Target
from mlp_torch.training.batches import Batches, seed_of

ROWS = 8192  # of an evaluation batch: a multiple of 16


class NonFiniteLoss(UserError, RuntimeError):
    """Training diverged; the checkpoints hold the last finite state."""


class Task(LightningModule):
    """Trains a model on features, keeps transform and target in its checkpoints.

    Args:
        transform: fitted.
        target: fitted.
        model: built for the transform's features.
        optimizer: parameters -> optimizer.
        scheduler: optimizer -> learning-rate scheduler, stepped once an epoch; None = a constant rate.
        seed: of every random draw in training.
    """

    def __init__(
        self,
        transform: Transform,
        target: Target,
        model: Model,
        *,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] = torch.optim.AdamW,
        scheduler: Callable[[Optimizer], LRScheduler] | None = None,
        seed: int = 0,
    ):
        super().__init__()
        self.transform, self.target, self.model = transform, target, model
        self.optimizer, self.scheduler, self.seed = optimizer, scheduler, seed
        self.held: list[list[tuple[Tensor, Tensor]]] = []

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(p for p in self.model.parameters() if p.requires_grad)
        if self.scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "epoch"}}

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        seed = seed_of(self.seed, self.current_epoch, batch_idx, self.global_rank)
        torch.default_generator.manual_seed(seed)  # torch.manual_seed takes a millisecond to format a stack for CUDA
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        out = self.model(batch.features)
        loss = (self.model.loss(out, batch) * batch.weight).sum() / batch.weight.sum()
        if not torch.isfinite(loss):
            raise NonFiniteLoss(self.diverged(batch, out))
        if self.logs_now(batch_idx):
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def diverged(self, batch: Batch, out: Tensor) -> str:
        """Which step, and the first tensor on the way to the loss that is not finite."""
        tensors = {f"weight {name}": p for name, p in self.model.named_parameters()}
        tensors |= {f"feature {name}": x for name, x in batch.features.items()} | {"target": batch.y, "out": out}
        first = next((name for name, x in tensors.items() if not torch.isfinite(x).all()), "loss")
        rows = ", ".join(str(row) for row in batch.row[:5].tolist())
        return (
            f"the loss must be finite, however: step {self.global_step}, first non-finite tensor: {first}; rows {rows}; "
            "a lower optimizer.lr or trainer.gradient_clip_val=1 often helps"
        )

    def logs_now(self, batch_idx: int) -> bool:
        """Whether this step is one that loggers hear of: logging each step costs a tenth of the speed."""
        return (batch_idx + 1) % self.trainer.log_every_n_steps == 0

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:
            norms = [p.grad.norm() for p in self.model.parameters() if p.grad is not None]
            self.log("train/gradient_norm", torch.stack(norms).norm())
            self.log("train/learning_rate", optimizer.param_groups[0]["lr"])

    def on_validation_epoch_start(self) -> None:
        self.held = [[], []]

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.held[dataloader_idx].append((evaluate(self.model, batch.features), batch.y))

    def on_validation_epoch_end(self) -> None:
        """Metrics on validation rows and on a fixed sample of as many training rows, both without dropout."""
        for split, held in zip(("val", "train"), self.held, strict=True):
            out, y = (torch.cat(parts) for parts in zip(*held, strict=True))
            for name, value in judge(self.model, out, y)[0].items():
                key = "train/loss_without_dropout" if (split, name) == ("train", "loss") else f"{split}/{name}"
                self.log(key, value, prog_bar=key == "val/loss")
        self.held = []

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["format"] = 1


def evaluate(model: Model, features: Mapping[str, Tensor]) -> Tensor:
    """(B, …) `out` of a model in evaluation mode, with the same bits as the exported graph."""
    rows = len(next(iter(features.values())))
    out: Tensor = model(padded(dict(features)))
    return out[:rows]


@torch.inference_mode()
def outputs(task: Task, table: Batch) -> Tensor:
    """(N, …) `out` of all rows of a table, in its order."""
    task.eval()
    device = task.device
    outs = [
        evaluate(task.model, {name: x.to(device) for name, x in batch.features.items()}).cpu()
        for batch in Batches(table, ROWS)
    ]
    return torch.cat(outs) if outs else torch.zeros(0, math.prod(task.model.head.output.bias.shape))
