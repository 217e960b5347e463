"""Training with everything on (bar, logger, checkpoints, metrics) against a hand-written loop over the same tensors.

    python benchmarks/training.py

One thread, three epochs of the quickstart's 234,735 rows in batches of 1,024, MLP 256-128, contenders in turn, median
of 5. The figure is rows per CPU second, as a ratio to the hand-written loop, which trains and does nothing else; a
second loop also validates after each epoch (loss and AUROC by torchmetrics), as whoever writes one does in the end. The
third is Lightning as its introduction shows it: a TensorDataset in a DataLoader that shuffles, the loss logged.
Goals: at least .85 of the hand-written loop, at least 1.4 times Lightning with a TensorDataset.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from hydra.utils import instantiate
from lightning.pytorch import LightningModule, Trainer
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import AdamW
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import BinaryAUROC

from mlp_torch.configuration import composed
from mlp_torch.fitting import build, build_trainer, flat_line, optimization
from mlp_torch.model import Model
from mlp_torch.run import quiet
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task
from mlp_torch.training.tensorboard import TensorBoard

ROUNDS = 5
EPOCHS = 3


def by_hand(model: Model, data: Data, folder: Path, *, validate: bool) -> None:
    """What one writes without a framework."""
    table = data.tables["train"]
    y = table.y.float()
    optimizer = AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    for _ in range(EPOCHS):
        model.train()
        for index in torch.randperm(len(y)).split(data.batch_size):
            features = {name: x[index] for name, x in table.features.items()}
            loss = binary_cross_entropy_with_logits(model(features)[:, 0], y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if validate:
            check(model, data)


@torch.no_grad()
def check(model: Model, data: Data) -> None:
    """Loss and AUROC of the validation rows."""
    val, auroc = data.tables["val"], BinaryAUROC()
    model.eval()
    logit = model(val.features)[:, 0]
    binary_cross_entropy_with_logits(logit, val.y.float())
    auroc(logit, val.y.long())


class Plain(LightningModule):
    """The same model as one trains it with Lightning alone."""

    def __init__(self, model: Model, names: list[str]):
        super().__init__()
        self.model, self.names = model, names

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        *features, y = batch
        loss = self.loss(features, y)
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        *features, y = batch
        self.log("val/loss", self.loss(features, y))

    def loss(self, features: list[Tensor], y: Tensor) -> Tensor:
        logit = self.model(dict(zip(self.names, features, strict=True)))[:, 0]
        return binary_cross_entropy_with_logits(logit, y)

    def configure_optimizers(self) -> AdamW:
        return AdamW(self.model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)


def with_tensor_dataset(model: Model, data: Data, folder: Path) -> None:
    """Lightning, with rows drawn one by one."""

    def loader(split: str, *, shuffle: bool) -> DataLoader[tuple[Tensor, ...]]:
        table = data.tables[split]
        rows = TensorDataset(*table.features.values(), table.y.float())
        return DataLoader(rows, batch_size=data.batch_size if shuffle else 8192, shuffle=shuffle)

    trainer = Trainer(max_epochs=EPOCHS, accelerator="cpu", default_root_dir=folder, enable_model_summary=False)
    task = Plain(model, list(data.tables["train"].features))
    trainer.fit(task, loader("train", shuffle=True), loader("val", shuffle=False))


def with_everything(model: Model, data: Data, folder: Path, *, cfg: DictConfig) -> None:
    """What `python train.py` runs."""
    task = Task(data.transform, data.target, model, **optimization(cfg))
    if cfg.compile:
        task.learner = torch.compile(model.forward)
    logger = TensorBoard(folder / "tensorboard", baseline=flat_line(model, data))
    build_trainer(OmegaConf.merge(cfg, {"folder": str(folder)}), logger, model).fit(task, data)


Contender = Callable[[Model, Data, Path], None]


def medians(
    contenders: Mapping[str, Contender], cfg: DictConfig, data: Data, clock: Callable[[], float]
) -> dict[str, float]:
    """Seconds of each by a clock, in turn, each time with a new model."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            model = build(cfg, data)
            with tempfile.TemporaryDirectory() as folder:
                started = clock()
                contender(model, data, Path(folder))
                seconds[name].append(clock() - started)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def show(seconds: Mapping[str, float], data: Data, unit: str) -> None:
    """Prints one line a contender: rows per second, and as a ratio to the hand-written loop's."""
    for name, taken in seconds.items():
        rows, ratio = EPOCHS * len(data.tables["train"].y) / taken, seconds["hand-written loop"] / taken
        print(f"{name:<26} {rows:>12,.0f} rows per {unit}, {ratio:.3f} of the hand-written loop")


def main() -> None:
    """Prints one line a contender."""
    torch.set_num_threads(1)
    quiet()
    cfg = composed([f"trainer.max_epochs={EPOCHS}", "trainer.accelerator=cpu"])
    data = instantiate(cfg.data, _convert_="all").prepare()
    contenders: dict[str, Contender] = {
        "hand-written loop": partial(by_hand, validate=False),
        "the same, validating": partial(by_hand, validate=True),
        "Lightning, TensorDataset": with_tensor_dataset,
        "mlp_torch, everything on": partial(with_everything, cfg=cfg),
    }
    seconds = medians(contenders, cfg, data, time.process_time)
    show(seconds, data, "CPU second")
    plain, everything = list(seconds.values())[-2:]
    print(f"mlp_torch, everything on, is {plain / everything:.2f} times as fast as Lightning with a TensorDataset")


if __name__ == "__main__":
    main()
