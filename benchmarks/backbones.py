"""Each backbone in our training step against the same network written by hand, in a plain loop over the same tensors.

    python benchmarks/backbones.py [NAME …]

One thread, batches of 1,024 rows of the quickstart, AdamW, contenders in turn, median of 5 rounds. The figure is rows
per CPU second from the first batch to the last one, as a ratio to the hand-written loop. By hand means the authors'
packages for ResNet, FT-Transformer (`rtdl_revisiting_models`) and TabM (`tabm`), plain layers for the others, behind an
`nn.Embedding` of each category. NAME is a row of the table, such as "ft_transformer, one block".
Goal: at least .85 of the hand-written loop.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import rtdl_revisiting_models as authors
import tabm
import torch
from hydra.utils import instantiate
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import AdamW

from mlp_torch.configuration import composed
from mlp_torch.fitting import build, optimization
from mlp_torch.model import Single
from mlp_torch.run import quiet
from mlp_torch.training.data import Data
from mlp_torch.training.task import Task

ROUNDS = 5
WIDE = ("weekday_hour", "route")


class Embedded(nn.Module):
    """The vectors of all columns: an embedding of each category, numbers as they are."""

    def __init__(self, model: Single):
        super().__init__()
        self.tables = nn.ModuleDict(
            {
                name: nn.Embedding(*layer.table.weight.shape) if hasattr(layer, "table") else nn.Identity()
                for name, layer in model.encoder.layers.items()
            }
        )

    def forward(self, features: dict[str, Tensor]) -> list[Tensor]:
        return [table(features[name]) for name, table in self.tables.items()]


class Flat(nn.Module):
    """A network of the vectors side by side, and a linear output."""

    def __init__(self, model: Single, network: nn.Module, d_out: int):
        super().__init__()
        self.embedded, self.network, self.output = Embedded(model), network, nn.Linear(d_out, 1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        logit: Tensor = self.output(self.network(torch.cat(self.embedded(features), dim=1)))
        return logit


class Crossing(nn.Module):
    """Equation 1 of DCN V2, then an MLP or beside one."""

    def __init__(self, d: int, *, parallel: bool):
        super().__init__()
        self.layers, self.deep = nn.ModuleList(nn.Linear(d, d) for _ in range(2)), perceptron(d)
        self.parallel = parallel

    def forward(self, x0: Tensor) -> Tensor:
        x = x0
        for layer in self.layers:
            x = x0 * layer(x) + x
        return torch.cat([x, self.deep(x0)], dim=1) if self.parallel else self.deep(x)


class TwoPaths(nn.Module):
    """Wide and deep: two columns go past the MLP."""

    def __init__(self, model: Single):
        super().__init__()
        self.embedded = Embedded(model)
        widths = model.encoder.widths
        wide = sum(widths[name] for name in WIDE)
        self.deep, self.output = perceptron(sum(widths.values()) - wide), nn.Linear(wide + 128, 1)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        vectors = dict(zip(self.embedded.tables, self.embedded(features), strict=True))
        wide = [vectors.pop(name) for name in WIDE]
        logit: Tensor = self.output(torch.cat([*wide, self.deep(torch.cat(list(vectors.values()), dim=1))], dim=1))
        return logit


class Attending(nn.Module):
    """The authors' FT-Transformer: as many tokens, of the codes and of the first number of each other column."""

    def __init__(self, model: Single, *, blocks: int):
        super().__init__()
        rows = {
            name: layer.table.num_embeddings for name, layer in model.encoder.layers.items() if hasattr(layer, "table")
        }
        self.codes, self.numbers = list(rows), [name for name in model.encoder.widths if name not in rows]
        self.network = authors.FTTransformer(
            n_cont_features=len(self.numbers),
            cat_cardinalities=list(rows.values()),
            d_out=1,
            **authors.FTTransformer.get_default_kwargs(blocks),
        )

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        numbers = torch.stack([features[name][:, 0] for name in self.numbers], dim=1)
        logit: Tensor = self.network(numbers, torch.stack([features[name] for name in self.codes], dim=1))
        return logit


class Members(nn.Module):
    """The authors' TabM behind the vectors side by side: (B, k)."""

    def __init__(self, model: Single, *, mini: bool):
        super().__init__()
        widths = list(model.encoder.widths.values())
        self.embedded, self.view = Embedded(model), tabm.EnsembleView(k=32)
        self.network = tabm.make_tabm_backbone(
            d_in=sum(widths),
            n_blocks=2,
            d_block=512,
            dropout=0.1,
            k=32,
            arch_type="tabm-mini" if mini else "tabm",
            start_scaling_init="normal",
            start_scaling_init_chunks=widths,
        )
        self.output = tabm.LinearEnsemble(512, 1, k=32)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        h = self.network(self.view(torch.cat(self.embedded(features), dim=1)))
        return self.output(h).squeeze(2)


def perceptron(d: int) -> nn.Module:
    """The MLP of the quickstart."""
    return nn.Sequential(nn.Linear(d, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 128), nn.ReLU(), nn.Dropout(0.2))


def resnet(d: int) -> nn.Module:
    """The authors' ResNet without its last layer."""
    network = authors.ResNet(
        d_in=d, d_out=1, n_blocks=2, d_block=192, d_hidden_multiplier=2.0, dropout1=0.15, dropout2=0.0
    )
    network.output.linear = nn.Identity()
    return network


class Contender(NamedTuple):
    """The overrides that make ours, how the same is written by hand, and over how many batches both are timed."""

    overrides: list[str]
    by_hand: Callable[[Single, int], nn.Module]
    batches: int


ONE_BLOCK = ["blocks=1", "d_token=96", "attention_dropout=0.1", "dropout=0.0"]
CONTENDERS = {
    "mlp": Contender([], lambda model, d: Flat(model, perceptron(d), 128), 200),
    "wide_and_deep": Contender([f"backbone.wide=[{','.join(WIDE)}]"], lambda model, d: TwoPaths(model), 200),
    "dcn": Contender([], lambda model, d: Flat(model, Crossing(d, parallel=False), 128), 200),
    "dcn, parallel": Contender(
        ["backbone.structure=parallel"], lambda model, d: Flat(model, Crossing(d, parallel=True), 128 + d), 200
    ),
    "resnet": Contender([], lambda model, d: Flat(model, resnet(d), 192), 100),
    "ft_transformer, one block": Contender(
        [f"backbone.{option}" for option in ONE_BLOCK], lambda model, d: Attending(model, blocks=1), 50
    ),
    "ft_transformer": Contender([], lambda model, d: Attending(model, blocks=3), 4),
    "tabm_mini": Contender([], lambda model, d: Members(model, mini=True), 4),
    "tabm": Contender([], lambda model, d: Members(model, mini=False), 4),
}


class Clock(Callback):
    """CPU seconds from the first batch of an epoch to the last one."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seconds -= time.process_time()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.seconds += time.process_time()


def ours(overrides: list[str], data: Data, batches: int) -> float:
    """CPU seconds of our training step under Lightning."""
    cfg, clock = composed(overrides), Clock()
    task = Task(data.transform, data.target, build(cfg, data), **optimization(cfg))
    silent = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    limits = {"max_epochs": 1, "limit_train_batches": batches, "limit_val_batches": 0}
    Trainer(accelerator="cpu", deterministic=True, callbacks=[clock], **silent, **limits).fit(task, data)
    return clock.seconds


def by_hand(model: nn.Module, data: Data, batches: int) -> float:
    """CPU seconds of what one writes without a framework."""
    table = data.tables["train"]
    y = table.y.float()
    optimizer = AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    model.train()
    started = time.process_time()
    for index in torch.randperm(len(y)).split(data.batch_size)[:batches]:
        features = {name: x[index] for name, x in table.features.items()}
        logits = model(features)  # (B, 1), of members (B, k)
        loss = binary_cross_entropy_with_logits(logits, y[index].unsqueeze(1).expand_as(logits))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.process_time() - started


def main(chosen: list[str]) -> None:
    """Prints one line of a table a backbone."""
    torch.set_num_threads(1)
    quiet()
    data = instantiate(composed([]).data, _convert_="all").prepare()
    print("| backbone | parameters | rows per CPU second | by hand | ratio |\n|---|---|---|---|---|", flush=True)
    for name in chosen or CONTENDERS:
        contender = CONTENDERS[name]
        overrides = [f"backbone={name.partition(',')[0]}", *contender.overrides]
        model = build(composed(overrides), data)
        d = sum(model.encoder.widths.values())
        seconds: list[tuple[float, float]] = []
        for _ in range(ROUNDS):
            theirs = by_hand(contender.by_hand(model, d), data, contender.batches)
            seconds.append((ours(overrides, data, contender.batches), theirs))
        mine, other = (
            contender.batches * data.batch_size / statistics.median(part) for part in zip(*seconds, strict=True)
        )
        size = sum(parameter.numel() for parameter in model.backbone.parameters())
        print(f"| {name} | {size:,} | {mine:,.0f} | {other:,.0f} | {mine / other:.2f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
