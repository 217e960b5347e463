"""The LightningModule: it owns no part of the problem, the model or the data; it calls them.

Randomness of a step (dropout, hidden categories) is a pure function of (seed, epoch, batch, rank): the generator is
seeded anew before each step, so that a resumed run draws what the killed one would have drawn.

The model alone runs in lower precision, and compiled, where a trainer asks for that; losses, and validation as a whole,
are of the model as it is served, in float32.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from mlp_torch.errors import MAX_ROWS
from mlp_torch.files import FORMAT
from mlp_torch.head import Batch
from mlp_torch.model import Model, answers, padded
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.responsible.verdict import judge
from mlp_torch.target import Target
from mlp_torch.training.batches import seed_of
from mlp_torch.training.distribution import gathered
from mlp_torch.training.environment import environment, told
from mlp_torch.training.finiteness import HINT, Finiteness, NonFiniteLoss
from mlp_torch.training.freezing import Plan
from mlp_torch.training.retuning import retune
from mlp_torch.training.tensorboard import is_logged, log_now

log = logging.getLogger("mlp_torch")


class Task(LightningModule):
    """Trains a model on features, keeps transform and target in its checkpoints.

    Args:
        transform: fitted.
        target: fitted.
        model: built for the transform's features.
        optimizer: groups of parameters -> optimizer.
        scheduler: optimizer -> learning-rate scheduler, stepped once an epoch; None = a constant rate.
        seed: of every random draw in training.
        configuration: what the run was configured with, as plain values, kept in its checkpoints.
        plan: what learns, from which epoch on, and how fast; None = all alike.

    Attributes:
        learner: what a training step asks: the model's `forward`, or the same compiled.
    """

    def __init__(
        self,
        transform: Transform,
        target: Target,
        model: Model,
        *,
        optimizer: Callable[[Iterable[Any]], Optimizer] = torch.optim.AdamW,
        scheduler: Callable[[Optimizer], LRScheduler] | None = None,
        seed: int = 0,
        configuration: Mapping[str, Any] = MappingProxyType({}),
        plan: Plan | None = None,
    ):
        super().__init__()
        self.transform, self.target, self.model = transform, target, model
        self.optimizer, self.scheduler, self.seed = optimizer, scheduler, seed
        self.configuration, self.plan = dict(configuration), plan or Plan()
        self.factors: tuple[float, ...] = ()  # of the optimizer's groups
        self.row = torch.zeros(0, dtype=torch.int64)  # of the batch in hand, for messages
        self.loss = torch.zeros(())  # of that batch, without penalties
        self.held: list[list[tuple[Tensor, Tensor, Tensor]]] = []
        self.learner: Callable[[dict[str, Tensor]], Tensor] = model.forward
        self.finite = Finiteness()

    def configure_optimizers(self) -> Any:
        self.factors, groups = zip(*self.plan.groups(self.model), strict=True)
        optimizer = self.optimizer({"params": group} for group in groups)
        for group, factor in zip(optimizer.param_groups, self.factors, strict=True):
            group["lr"] *= factor
        if self.scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "epoch"}}

    def on_train_start(self) -> None:
        if self.device.type != "cpu":
            self.finite.every = max(self.trainer.log_every_n_steps, 1)  # type: ignore[attr-defined]  # Lightning sets it without declaring it
        self.plan.begin(self.model, epoch=self.current_epoch + 1)  # a run may go on in the midst of an epoch

    def on_train_epoch_start(self) -> None:
        self.model.begin(self.current_epoch)
        self.plan.begin(self.model, epoch=self.current_epoch + 1)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        seed = seed_of(self.seed, self.current_epoch, batch_idx, self.global_rank)
        torch.default_generator.manual_seed(seed)  # torch.manual_seed takes a millisecond to format a stack for CUDA
        if self.device.type == "cuda":
            torch.cuda.manual_seed(seed)
        self.row = batch.row

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        out = self.learner(batch.features).float()
        with torch.autocast(self.device.type, enabled=False):
            losses = self.model.loss(out, batch)  # (B,)
        # weights are 1 in the mean over all training rows; over the sum of a batch's own, a heavy row would count less
        # the more of its kind are there, and priors would be off
        loss = (losses * batch.weight).sum() / max(len(losses), 1)  # a last batch may leave a process no row
        if not self.finite.holds("loss", loss, self.global_step):
            rows = {f"feature {name}": x for name, x in batch.features.items()}
            rows |= {"target": batch.y, "row weight": batch.weight, "out": out, "row loss": losses}
            raise NonFiniteLoss(self.diverged("loss", weights(self.model), rows))
        self.loss = loss.detach()
        if is_logged(self.trainer, self.global_step + 1):
            self.log("train/loss", self.loss, prog_bar=True, logger=False)
        for penalty in self.model.penalties():
            loss = loss + penalty
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if self.finite.every > 1 and (batch_idx + 1) % self.finite.every == 0:
            self.finite.check(self.global_step, self.device)

    def diverged(self, what: str, whole: Mapping[str, Tensor], by_row: Mapping[str, Tensor] = {}) -> str:
        """The step, the first tensor that is not finite, and the rows: those where it is not, or all of the batch."""
        row, first = self.row, "their sum"
        for name, x in {**whole, **by_row}.items():
            if not torch.isfinite(x).all():
                first = name
                row = row[~torch.isfinite(x).reshape(len(x), -1).all(dim=1)] if name in by_row else row
                break
        shown = ", ".join(map(str, row[:MAX_ROWS].tolist())) + (", …" if len(row) > MAX_ROWS else "")
        return (
            f"the {what} must be finite, however: step {self.global_step:,}, first non-finite tensor: {first}; "
            f"in {len(row):,} of {len(self.row):,} rows of the batch, by fingerprint: {shown}; "
            f"{HINT}"
        )

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        norm = get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
        # with float16 the scaler skips steps whose scaled gradients overflow
        if self.trainer.precision != "16-mixed" and not self.finite.holds("gradient", norm, self.global_step):
            named = self.model.named_parameters()
            gradients = {f"gradient of {name}": p.grad for name, p in named if p.grad is not None}
            raise NonFiniteLoss(self.diverged("gradient", gradients))
        if is_logged(self.trainer, self.global_step + 1):
            loss = self.trainer.strategy.reduce(self.loss, reduce_op="mean")
            values = {"train/loss": loss, "train/gradient_norm": norm}
            for group, factor in zip(optimizer.param_groups, self.factors, strict=True):
                slower = "" if factor == self.factors[0] else f"_x{factor:g}"
                values[f"train/learning_rate{slower}"] = group["lr"]
            log_now(self, values, self.global_step)

    def on_validation_epoch_start(self) -> None:
        self.held = [[], []]

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        with torch.autocast(self.device.type, enabled=False):
            self.held[dataloader_idx].append((evaluate(self.model, batch.features), batch.y, batch.weight))

    def on_validation_epoch_end(self) -> None:
        """Metrics on validation rows and on a fixed sample of training rows, both without dropout."""
        for split, held in zip(("val", "train"), self.held, strict=True):
            out, y, weight = (torch.cat(parts) for parts in zip(*gathered(held), strict=True))
            if bad := int((~torch.isfinite(out)).reshape(len(out), -1).any(dim=1).sum()):
                raise NonFiniteLoss(
                    f"what the model says must be finite, however: step {self.global_step:,}, not so for {bad:,} of "
                    f"{len(out):,} {split} rows; {HINT}"
                )
            verdict = judge(self.model, out, y, weight=weight)
            if why := verdict.undefined.get("loss"):
                raise NonFiniteLoss(f"the loss must be finite, however: step {self.global_step:,}, {split} rows, {why}")
            for name, value in verdict.values.items():
                key = "train/loss_without_dropout" if (split, name) == ("train", "loss") else f"{split}/{name}"
                self.log(key, value, prog_bar=key == "val/loss")
        self.held = []

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses to save weights that are not finite: a step whose gradient was finite can still overflow."""
        self.finite.check(self.global_step, self.device)
        tensors = weights(self.model)
        if not all(torch.isfinite(x).all() for x in tensors.values()):
            raise NonFiniteLoss(self.diverged("weights", tensors))
        checkpoint["format"] = FORMAT
        checkpoint["configuration"] = self.configuration
        checkpoint["environment"] = environment(self.device, self.trainer.world_size)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Tells where a run goes on elsewhere; sets what its user changes of the optimizer."""
        changed = told(checkpoint.get("environment", {}), environment(self.device, self.trainer.world_size))
        if changed:
            text = "the last bits may differ from those of a run that was not stopped"
            log.warning("WARNING: the run goes on in another environment, %s: %s", "; ".join(changed), text)
        retune(checkpoint, self.configuration)


def weights(model: nn.Module) -> dict[str, Tensor]:
    """What is trained, by name."""
    return {f"weight {name}": p for name, p in model.named_parameters()}


def evaluate(model: Model, features: Mapping[str, Tensor]) -> Tensor:
    """(B, …) `out` of a model in evaluation mode, with the same bits as the exported graph."""
    rows = len(next(iter(features.values())))
    out: Tensor = model(padded(dict(features)))
    return out[:rows]


def outputs(task: Task, table: Batch) -> Tensor:
    """(N, …) `out` of all rows of a table, in its order."""
    return answers(task.model, table.features, device=task.device)
