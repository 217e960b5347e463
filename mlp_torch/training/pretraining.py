"""Pretraining (ch. 4, Transfer Learning): a network learns from rows without labels, by guessing what was replaced.

In each row some fields take the values that another row has of them: each value alone is one that there is, and only
its company gives it away. The network says which fields were replaced, and what stood there. A run that begins with it
(`init_from`) takes encoder and backbone; what guesses stays behind.

Sources: Yoon et al. 2020, "VIME"; Bahri et al. 2022, "SCARF"; Rubachev et al. 2022, "Revisiting Pretraining Objectives
for Tabular Deep Learning".

Shape: features -> `out` (B, 2), a row's loss in two parts: of what was guessed, and of which fields were told.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric, Metric

from mlp_torch.column import Column
from mlp_torch.errors import ConfigError, how_many
from mlp_torch.head import Batch, Head, Output
from mlp_torch.ingest.fingerprint import cross, tensorflow_bucket
from mlp_torch.model import Encoder, Model
from mlp_torch.parts import Parts
from mlp_torch.target import Unlabelled
from mlp_torch.training.table.suspicions import hashed

OTHERS = 1024  # training rows whose values a validation row may get
LOOK = 65_536  # most training rows by which losses are scaled
PARTS = 2**20  # that chance is cut into


class Codes(nn.Module):
    """What is asked of a column of codes: which one it was.

    Args:
        x: (N,) int64 of training rows.
        codes: how many there are.

    Shape: guess (B, k, codes), x (B,) -> (B,), cross-entropy, 1 in the mean for who knows the shares of all codes.
    """

    entropy: Tensor

    def __init__(self, x: Tensor, codes: int):
        super().__init__()
        share = torch.bincount(x, minlength=codes).double() / len(x)
        self.n = codes
        self.register_buffer("entropy", -torch.special.xlogy(share, share).sum().float())

    def forward(self, guess: Tensor, x: Tensor) -> Tensor:
        b, k, n = guess.shape
        nats = functional.cross_entropy(guess.reshape(b * k, n), x.repeat_interleave(k), reduction="none")
        return nats.view(b, k).mean(dim=1) / self.entropy  # (B,)


class Numbers(nn.Module):
    """What is asked of a column of numbers: how large they were.

    Args:
        x: (N, w) float32 of training rows, of which some vary.

    Shape: guess (B, k, w), x (B, w) -> (B,), squared error, 1 in the mean for who knows the means of all numbers.
    """

    mean: Tensor
    deviation: Tensor
    varies: Tensor

    def __init__(self, x: Tensor):
        super().__init__()
        deviation, mean = torch.std_mean(x.double(), dim=0, correction=0)
        self.n = x.shape[1]
        self.register_buffer("mean", mean.float())
        self.register_buffer("varies", (deviation > 0).float())
        self.register_buffer("deviation", torch.where(deviation > 0, deviation, 1.0).float())

    def forward(self, guess: Tensor, x: Tensor) -> Tensor:
        z = ((x - self.mean) / self.deviation).unsqueeze(1)  # (B, 1, w)
        squares = ((guess - z).square() * self.varies).mean(dim=1)  # (B, w)
        return squares.sum(dim=1) / self.varies.sum()  # (B,)


class Guesses(Head):
    """The judge of pretraining. What it judges is a loss already.

    Args:
        guess: what the first part counts.
        detect: what the second one counts.
        told: what is asked, in a sentence.
    """

    counts: Tensor

    def __init__(self, guess: float, detect: float, told: str):
        super().__init__(1, Unlabelled(), 1, point="guess")
        self.requires_grad_(False)
        self.told = told
        self.register_buffer("counts", torch.tensor([guess, detect]), persistent=False)

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return (out * self.counts).sum(dim=1)  # (B,)

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        return {"guess": out[:, 0], "detect": out[:, 1]}

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        """Who knows shares and means, and looks at nothing."""
        return torch.ones(2)

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        """What each row counts in a mean."""
        return {"one": torch.ones_like(y)}

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        return {name: (name, "one", MeanMetric()) for name in ("guess", "detect")}

    def notes(self) -> list[str]:
        return [self.told]


class Masked(Model):
    """An encoder and a backbone, named as those of the model that begins with them, and what guesses above them.

    Args:
        parts: what the model is made of.
        share: of the fields of a row, how many are replaced, 0 < share < 1.
        guess: what it counts to guess what was replaced; 0 leaves it out.
        detect: what it counts to tell which fields were replaced.
        most: codes of a column that is guessed; of one with more only whether it was replaced is asked.

    Raises:
        ConfigError: as `check`.
        ValueError: for options that mean nothing.
    """

    surprise: Tensor

    def __init__(self, parts: Parts, *, share: float = 0.3, guess: float = 1.0, detect: float = 1.0, most: int = 5000):
        super().__init__()
        if not 0 < share < 1:
            raise ValueError(f"share must be more than 0 and less than 1, however: {share=}")
        if most < 2:
            raise ValueError(f"most must be at least 2, however: {most=}")
        if not (0 <= guess < math.inf and 0 <= detect < math.inf and guess + detect > 0):
            raise ValueError(f"guess and detect must be at least 0, and one of them more, however: {guess=}, {detect=}")
        check(parts)
        rows = spread({name: parts.features[name] for name in parts.columns}, LOOK)
        self.share, self.groups = share, grouped(parts.columns)
        self.place = {name: i for i, names in enumerate(self.groups) for name in names}
        self.encoder = Encoder(dict(parts.columns), parts.modalities)
        self.backbone = parts.backbone(self.encoder.widths)
        self.asked = nn.ModuleDict(asked(parts.columns, rows, most))
        if not self.asked and not detect:
            text = "detect must be more than 0 where no column is guessed"
            raise ConfigError(f"{text}, however: detect=0 beside {', '.join(parts.columns)}")
        self.sizes = [len(self.groups), *(int(each.n) for each in self.asked.values())]  # type: ignore[arg-type]  # nn.Module forgets what it holds
        members = getattr(self.backbone, "members", 1)  # as in Parts
        self.output = Output(int(self.backbone.d_out), sum(self.sizes), members)  # type: ignore[arg-type]
        self.head = Guesses(guess, detect, told(self.groups, list(self.asked)))
        self.register_buffer("surprise", surprise(rows, self.groups, share))
        for name, x in spread(rows, OTHERS).items():
            self.register_buffer(f"other_{name}", x)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        chosen, at = self.drawn(features)  # (B, G) both
        others = features if self.training else self.others()
        seen, replaced = {}, torch.zeros_like(chosen)
        for name, i in self.place.items():
            x = features[name]
            is_other = chosen[:, i].view(-1, *[1] * (x.dim() - 1))  # (B, 1, …)
            seen[name] = torch.where(is_other, others[name].index_select(0, at[:, i]), x)
            replaced[:, i] |= (seen[name] != x).reshape(len(x), -1).any(dim=1)  # by its own value it is not
        said = self.output(self.backbone(self.encoder(seen)))
        which, *guesses = (said if said.dim() == 3 else said.unsqueeze(1)).split(self.sizes, dim=2)  # (B, k, …)
        wanted = replaced.unsqueeze(1).to(which.dtype).expand_as(which)  # (B, k, G)
        nats = functional.binary_cross_entropy_with_logits(which, wanted, reduction="none").mean(dim=(1, 2))
        return torch.stack([self.guessed(guesses, features, chosen), nats / self.surprise], dim=1)  # (B, 2)

    def guessed(self, guesses: list[Tensor], features: dict[str, Tensor], chosen: Tensor) -> Tensor:
        """(B,): the loss of what was replaced."""
        total = torch.zeros(len(chosen), device=chosen.device)
        for (name, each), guess in zip(self.asked.items(), guesses, strict=True):
            total = total + each(guess, features[name]) * chosen[:, self.place[name]]
        return total / (self.share * max(len(self.asked), 1))

    def drawn(self, features: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(B, G) whether a group of columns is replaced, and the row whose values it gets.

        In training by chance. In evaluation by the row's own values, so that it is asked the same whenever and in
        whatever company.
        """
        n, groups = len(next(iter(features.values()))), len(self.groups)
        device = self.surprise.device
        if self.training:
            chosen = torch.rand(n, groups, device=device) < self.share
            return chosen, torch.randint(max(n, 1), (n, groups), device=device)
        row = cross([hashed(features[name]) for name in self.place])  # (n,)
        chance = torch.stack([cross([row, torch.full_like(row, i)]) for i in range(2 * groups)], dim=1)  # (n, 2 G)
        size = len(next(iter(self.others().values())))
        chosen = tensorflow_bucket(chance[:, :groups], PARTS) < self.share * PARTS
        return chosen, tensorflow_bucket(chance[:, groups:], size)

    def others(self) -> dict[str, Tensor]:
        """Training rows, the same ones at any time."""
        return {name: self.get_buffer(f"other_{name}") for name in self.place}

    def penalties(self) -> list[Tensor]:
        return self.encoder.penalties()


def check(parts: Parts) -> None:
    """Refuses what would see labels, and columns of which none says anything of another.

    Raises:
        ConfigError: for labels, columns that are fitted on the target, and fewer than two groups of columns.
    """
    if bool((parts.y != 0).any()):
        text = "pretraining needs a target that reads no label, mlp_torch.target.Unlabelled"
        raise ConfigError(f"{text}, however: data.target reads some")
    if fitted := [name for name, column in parts.columns.items() if column.uses_y]:
        raise ConfigError(f"pretraining needs columns that are fitted without labels, however: {', '.join(fitted)}")
    if len(grouped(parts.columns)) < 2:
        text = "pretraining guesses fields by other ones, so that columns must read two or more apart"
        raise ConfigError(f"{text}, however: {', '.join(parts.columns)} read the same; give each field a column")


def grouped(columns: Mapping[str, Column]) -> list[list[str]]:
    """Columns that read a field in common, which are replaced together: one would betray the other.

    >>> from mlp_torch.representation.numbers import Scaled
    >>> grouped({"a": Scaled("x"), "b": Scaled("y"), "c": Scaled("x")})
    [['a', 'c'], ['b']]
    """
    found: list[tuple[set[str], list[str]]] = []
    for name, column in columns.items():
        fields, names = {read.field for read in column.reads.values()}, [name]
        for group in [group for group in found if group[0] & fields]:
            found.remove(group)
            fields, names = group[0] | fields, group[1] + names
        found.append((fields, names))
    place = {name: i for i, name in enumerate(columns)}
    return sorted((sorted(names, key=place.__getitem__) for _, names in found), key=lambda names: place[names[0]])


def asked(columns: Mapping[str, Column], features: Mapping[str, Tensor], most: int) -> dict[str, nn.Module]:
    """By column what is asked of it: codes or numbers; nothing of words, pictures and what never varies."""
    found: dict[str, nn.Module] = {}
    for name, x in features.items():
        if bool((x == x[:1]).all()):
            continue
        if x.dim() == 1 and columns[name].codes <= most:
            found[name] = Codes(x, columns[name].codes)
        elif x.dim() == 2 and x.is_floating_point():
            found[name] = Numbers(x)
    return found


def spread(features: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
    """At most so many rows, evenly from all."""
    n = len(next(iter(features.values())))
    at = torch.linspace(0, n - 1, min(n, rows), dtype=torch.float64).long()
    return {name: x.index_select(0, at) for name, x in features.items()}


def surprise(features: Mapping[str, Tensor], groups: list[list[str]], share: float) -> Tensor:
    """What it costs in the mean, in nats, to tell whether a group was replaced by how often it is: an entropy.

    A group that gets the values that it has is not replaced, as happens often where one value is frequent.
    """
    rates = []
    for names in groups:
        pairs = [(x != x.flip(0)).reshape(len(x), -1).any(dim=1) for x in (features[name] for name in names)]
        rates.append(share * torch.stack(pairs).any(dim=0).double().mean())
    p = torch.stack(rates)  # (G,)
    nats: Tensor = -torch.special.xlogy(p, p) - torch.special.xlogy(1 - p, 1 - p)
    return nats.mean().clamp(min=1e-6).float()


def told(groups: list[list[str]], guessed: list[str]) -> str:
    """What is asked, in a sentence."""
    silent = [name for names in groups for name in names if name not in guessed]
    rest = f"; of {', '.join(silent)} is asked only whether they were" if silent else ""
    return f"{how_many(len(groups), 'group')} of columns are replaced by chance; guessed are {', '.join(guessed)}{rest}"
