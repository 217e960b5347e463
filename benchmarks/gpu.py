"""Training on a GPU against a hand-written loop on it, and against one thread of the CPU.

    python benchmarks/gpu.py [OVERRIDE…]           e.g. experiment=tabm

Three epochs of the quickstart's 234,735 rows in batches of 1,024 (of other experiments likewise), contenders in turn,
median of 5; the first of them warms up what is compiled. The figure is rows per second of wall time, as a ratio to the
hand-written loop, whose rows lie on the GPU too and whose steps are in bfloat16 too, and which does nothing else.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from torch.optim import AdamW

from mlp_torch.configuration import composed
from mlp_torch.fitting import build, build_trainer, flat_line, optimization
from mlp_torch.model import Model
from mlp_torch.run import quiet, table
from mlp_torch.training.batches import placed, select
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task
from mlp_torch.training.tensorboard import TensorBoard

ROUNDS = 5
EPOCHS = 3


def by_hand(model: Model, data: Data, folder: Path, *, device: torch.device) -> None:
    """What one writes without a framework, for rows that fit into the GPU's memory."""
    rows = placed(data.tables["train"], device)
    model.to(device).train()
    optimizer = AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    for _ in range(EPOCHS):
        for index in torch.randperm(len(rows.y), device=device).split(data.batch_size):
            batch = select(rows, index)
            with torch.autocast(device.type, torch.bfloat16):
                out = model(batch.features)
            loss = model.loss(out.float(), batch).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def with_everything(model: Model, data: Data, folder: Path, *, cfg: DictConfig) -> None:
    """What `python train.py` runs."""
    task = Task(data.transform, data.target, model, **optimization(cfg))
    if cfg.compile:
        task.learner = torch.compile(model.forward)
    logger = TensorBoard(folder / "tensorboard", baseline=flat_line(model, data))
    build_trainer(OmegaConf.merge(cfg, {"folder": str(folder)}), logger, model).fit(task, data)


def main(overrides: list[str]) -> None:
    """Prints one line a contender."""
    if not torch.cuda.is_available():
        sys.exit("no GPU is at hand")
    quiet()
    given = [*overrides, f"trainer.max_epochs={EPOCHS}", "callback.early_stopping=null"]
    gpu, compiled, cpu = (
        composed([*given, *more]) for more in (["trainer=gpu"], ["trainer=gpu", "compile=true"], ["trainer=default"])
    )
    cpu.trainer.accelerator = "cpu"
    data = table(gpu).prepare()
    contenders: dict[str, Callable[[Model, Data, Path], None]] = {
        "hand-written loop": partial(by_hand, device=torch.device("cuda")),
        "trainer=gpu": partial(with_everything, cfg=gpu),
        "trainer=gpu compile=true": partial(with_everything, cfg=compiled),
        "one thread of the CPU": partial(with_everything, cfg=cpu),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            model = build(gpu, data)
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                contender(model, data, Path(folder))
                torch.cuda.synchronize()
                seconds[name].append(time.perf_counter() - started)
    base = statistics.median(seconds["hand-written loop"])
    for name, taken in seconds.items():
        median = statistics.median(taken)
        rows = EPOCHS * len(data.tables["train"].y) / median
        print(f"{name:<26} {rows:>12,.0f} rows per second, {base / median:.3f} of the hand-written loop")


if __name__ == "__main__":
    main(sys.argv[1:])
