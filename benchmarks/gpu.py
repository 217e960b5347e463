"""Training on a GPU against a hand-written loop on it, and against one thread of the CPU.

    python benchmarks/gpu.py [OVERRIDE…]           e.g. experiment=tabm

Three epochs of the quickstart's 234,735 rows in batches of 1,024 (of other experiments likewise), contenders in turn,
median of 5; the first of them warms up what is compiled. The figure is rows per second of wall time, as a ratio to the
hand-written loop, whose rows lie on the GPU too and whose steps are in bfloat16 too, and which does nothing else.
"""

import sys
import time
from functools import partial
from pathlib import Path

import torch
from torch.optim import AdamW
from training import EPOCHS, Contender, medians, show, with_everything

from mlp_torch.configuration import composed
from mlp_torch.model import Model
from mlp_torch.run import quiet, table
from mlp_torch.training.batches import placed, select
from mlp_torch.training.data import Data


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


def clock() -> float:
    """Seconds of wall time, once the GPU has done what it was given."""
    torch.cuda.synchronize()
    return time.perf_counter()


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
    contenders: dict[str, Contender] = {
        "hand-written loop": partial(by_hand, device=torch.device("cuda")),
        "trainer=gpu": partial(with_everything, cfg=gpu),
        "trainer=gpu compile=true": partial(with_everything, cfg=compiled),
        "one thread of the CPU": partial(with_everything, cfg=cpu),
    }
    show(medians(contenders, gpu, data, clock), data, "second")


if __name__ == "__main__":
    main(sys.argv[1:])
