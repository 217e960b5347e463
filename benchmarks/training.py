"""Training with everything on (bar, logger, checkpoints, metrics) against a hand-written loop over the same tensors.

    python benchmarks/training.py

One thread, three epochs of the quickstart's 234,735 rows in batches of 1,024, MLP 256-128, contenders in turn, median
of 5. The figure is rows per CPU second, as a ratio to the hand-written loop, which trains and does nothing else; a
second loop also validates after each epoch (loss and AUROC by torchmetrics), as whoever writes one does in the end.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.classification import BinaryAUROC

from mlp_torch.configuration import composed
from mlp_torch.model import Model
from mlp_torch.run import build, build_trainer, flat_line, optimization, quiet
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task
from mlp_torch.training.tensorboard import TensorBoard

ROUNDS = 5
EPOCHS = 3


def by_hand(model: Model, data: Data, folder: Path, *, validate: bool) -> None:
    """What one writes without a framework."""
    table = data.tables["train"]
    y = table.y.float()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
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


def with_everything(model: Model, data: Data, folder: Path, *, cfg: DictConfig) -> None:
    """What `python train.py` runs."""
    task = Task(data.transform, data.target, model, **optimization(cfg))
    logger = TensorBoard(folder / "tensorboard", baseline=flat_line(model, data))
    build_trainer(OmegaConf.merge(cfg, {"folder": str(folder)}), folder, logger).fit(task, data)


def main() -> None:
    """Prints one line a contender."""
    torch.set_num_threads(1)
    quiet()
    cfg = composed([f"trainer.max_epochs={EPOCHS}", "trainer.accelerator=cpu"])
    data = instantiate(cfg.data, _convert_="all").prepare()
    contenders: dict[str, Callable[[Model, Data, Path], None]] = {
        "hand-written loop": partial(by_hand, validate=False),
        "the same, validating": partial(by_hand, validate=True),
        "mlp_torch, everything on": partial(with_everything, cfg=cfg),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            model = build(cfg, data)
            with tempfile.TemporaryDirectory() as folder:
                started = time.process_time()
                contender(model, data, Path(folder))
                seconds[name].append(time.process_time() - started)
    base = statistics.median(seconds["hand-written loop"])
    for name, taken in seconds.items():
        median = statistics.median(taken)
        rows = EPOCHS * len(data.tables["train"].y) / median
        print(f"{name:<26} {rows:>10,.0f} rows per CPU second, {base / median:.3f} of the hand-written loop")


if __name__ == "__main__":
    main()
