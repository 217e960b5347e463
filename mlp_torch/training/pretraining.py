"""Pretraining (ch. 4, Transfer Learning): a network learns from rows without labels, by guessing what was replaced.

In each row some fields take the values that another row has of them, so that each value alone is one that there is and
only its company gives it away. A network learns to say which fields were replaced, and what stood there. A run that begins
with it (`init_from`) takes encoder and backbone; what guesses stays behind.

Sources: Yoon et al. 2020, "VIME"; Bahri et al. 2022, "SCARF"; Rubachev et al. 2022, "Revisiting Pretraining Objectives
for Tabular Deep Learning".

Shape: features -> `out` (B, 2): of each row how badly it was guessed, and how badly what was replaced was told.
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

OTHERS = 1024  # training rows whose values take the place of validation rows' own
LOOK = 65_536  # most training rows by which features are scaled
PARTS = 2**20  # into which chance is cut


class Codes(nn.Module):
    """What is asked of a column of codes: which one it was.

    Args:
        x: (N,) int64 of training rows.
        codes: how many there are.

    Shape: guess (B, k, codes), x (B,) -> (B,): cross-entropy in parts of that of the shares of all codes.
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
        x: (N, w) float32 of training rows.

    Shape: guess (B, k, w), x (B, w) -> (B,): mean squared error in parts of their variance; constant ones do not count.
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
        return ((guess - z).square() * self.varies).mean(dim=1).sum(dim=1) / self.varies.sum()  # (B,)


class Guesses(Head):
    """The judge of pretraining: its `out` is a row's loss, in two parts.

    Args:
        guess: what the first counts.
        detect: what the second counts.
        told: a sentence on what is asked.
    """

    def __init__(self, guess: float, detect: float, told: str):
        super().__init__(1, Unlabelled(), 1, point="guess")
        self.requires_grad_(False)
        self.counts, self.told = (guess, detect), told

    def loss(self, out: Tensor, batch: Batch) -> Tensor:
        return out @ out.new_tensor(self.counts)  # (B,)

    def predict(self, out: Tensor) -> dict[str, Tensor]:
        return {"guess": out[:, 0], "detect": out[:, 1]}

    def constant(self, y: Tensor, weight: Tensor) -> Tensor:
        """Who knows shares and means alone."""
        return torch.ones(2)

    def labels(self, y: Tensor) -> dict[str, Tensor]:
        """Each row counts once."""
        return {"rows": torch.ones(len(y))}

    def metrics(self) -> dict[str, tuple[str, str, Metric]]:
        return {name: (name, "rows", MeanMetric()) for name in ("guess", "detect")}

    def notes(self) -> list[str]:
        return [self.told]


class Masked(Model):
    """An encoder and a backbone that learn without labels; what `init_from` takes them from.

    Args:
        parts: what the model is made of.
        share: of the fields of a row, how many are replaced, 0 < share < 1.
        guess: what it counts to guess the values that were replaced; 0 leaves it out.
        detect: what it counts to tell which fields were replaced.
        most: codes of a column whose value is guessed; of one with more, only whether it was replaced is asked.

    Raises:
        ConfigError: if columns are fitted on the target, or do not read two groups of fields.
        ValueError: for options that mean nothing.
    """

    def __init__(
        self, parts: Parts, *, share: float = 0.3, guess: float = 1.0, detect: float = 1.0, most: int = 5000
    ):
        super().__init__()
        if not 0 < share < 1:
            raise ValueError(f"share must be more than 0 and less than 1, however: {share=}")
        if not (0 <= guess < math.inf and 0 <= detect < math.inf and guess + detect > 0):
            raise ValueError(f"guess and detect must be at least 0, and one of them more, however: {guess=}, {detect=}")
        check(parts)
        rows = spread(parts.features, LOOK)
        self.share, self.groups = share, grouped(parts.columns)
        self.asked = nn.ModuleDict(asked(parts.columns, rows, most))
        self.place = {name: i for i, names in enumerate(self.groups) for name in names}
        self.encoder = Encoder(dict(parts.columns), parts.modalities)
        self.backbone = parts.backbone(self.encoder.widths)
        self.sizes = [len(self.groups), *(each.n for each in self.asked.values())]
        d_out, members = int(self.backbone.d_out), getattr(self.backbone, "members", 1)  # type: ignore[arg-type]
        self.output = Output(d_out, sum(self.sizes), members)
        self.head = Guesses(guess, detect, told(self.groups, list(self.asked)))
        for name, x in spread(rows, OTHERS).items():
            self.register_buffer(f"other_{name}", x)

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        chosen, at = self.drawn(features)  # (B, G) both
        others = features if self.training else {name: self.get_buffer(f"other_{name}") for name in features}
        seen, replaced = {}, torch.zeros_like(chosen)
        for name, x in features.items():
            i = self.place[name]
            other = others[name].index_select(0, at[:, i])
            seen[name] = torch.where(chosen[:, i].view(-1, *[1] * (x.dim() - 1)), other, x)
            replaced[:, i] |= (seen[name] != x).reshape(len(x), -1).any(dim=1)
        said = self.output(self.backbone(self.encoder(seen)))
        said = said if said.dim() == 3 else said.unsqueeze(1)  # (B, k, n)
        which, *guesses = said.split(self.sizes, dim=2)
        return torch.stack([self.guessed(guesses, features, chosen), detected(which, replaced, self.share)], dim=1)

    def guessed(self, guesses: list[Tensor], features: dict[str, Tensor], chosen: Tensor) -> Tensor:
        """(B,): the loss of the values that were replaced, 1 in the mean for who knows shares alone."""
        total = torch.zeros(len(chosen), device=chosen.device)
        for (name, each), guess in zip(self.asked.items(), guesses, strict=True):
            total = total + each(guess, features[name]) * chosen[:, self.place[name]]
        return total / (self.share * max(len(self.asked), 1))

    def drawn(self, features: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(B, G) whether a group of fields is replaced, and the row whose values it takes.

        In training by chance; in evaluation by the row's own values, so that it fares alike at any time and place.
        """
        x = next(iter(features.values()))
        shape = (len(x), len(self.groups))
        if self.training:
            return torch.rand(shape, device=x.device) < self.share, torch.randint(len(x), shape, device=x.device)
        row = cross([hashed(x) for x in features.values()])  # (B,)
        chance = [cross([row, torch.full_like(row, i)]) for i in range(2 * shape[1])]
        chosen = torch.stack([tensorflow_bucket(each, PARTS) < self.share * PARTS for each in chance[: shape[1]]], dim=1)
        size = len(self.get_buffer(f"other_{next(iter(features))}"))
        return chosen, torch.stack([tensorflow_bucket(each, size) for each in chance[shape[1] :]], dim=1)

    def penalties(self) -> list[Tensor]:
        return self.encoder.penalties()


def check(parts: Parts) -> None:
    """Refuses what nothing could be learned from, or what would see labels.

    Raises:
        ConfigError: as Masked.
    """
    fitted = [name for name, column in parts.columns.items() if column.uses_y]
    if fitted:
        raise ConfigError(f"pretraining needs columns that are fitted without the target, however: {', '.join(fitted)}")
    if bool((parts.y != 0).any()):
        text = "pretraining needs a target that reads nothing: data.target={_target_: mlp_torch.target.Unlabelled}"
        raise ConfigError(f"{text}, however: there are labels")
    if len(grouped(parts.columns)) < 2:
        text = "pretraining guesses fields from others, so columns must read two or more apart"
        raise ConfigError(f"{text}, however: {', '.join(parts.columns)} belong together; give each field a column")


def grouped(columns: Mapping[str, Column]) -> list[list[str]]:
    """Columns that read a field in common are replaced together: one would betray the other.

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
    """By column what is asked of it: codes or numbers that vary; of a bag of words, a picture, a constant nothing."""
    found: dict[str, nn.Module] = {}
    for name, x in features.items():
        if not len(x) or bool((x == x[:1]).all()):
            continue
        if x.dim() == 1 and columns[name].codes <= most:
            found[name] = Codes(x, columns[name].codes)
        elif x.dim() == 2 and x.is_floating_point():
            found[name] = Numbers(x)
    return found


def spread(features: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
    """At most so many rows, evenly from all."""
    n = len(next(iter(features.values())))
    at = torch.linspace(0, max(n - 1, 0), min(n, rows)).long()
    return {name: x.index_select(0, at) for name, x in features.items()}


def detected(which: Tensor, replaced: Tensor, share: float) -> Tensor:
    """(B, k, G) logits and (B, G) -> (B,): cross-entropy in parts of that of the share."""
    wanted = replaced.unsqueeze(1).to(which.dtype).expand_as(which)
    nats = functional.binary_cross_entropy_with_logits(which, wanted, reduction="none").mean(dim=(1, 2))
    return nats / -(share * math.log(share) + (1 - share) * math.log(1 - share))


def told(groups: list[list[str]], guessed: list[str]) -> str:
    """What is asked, in a sentence."""
    silent = [name for names in groups for name in names if name not in guessed]
    rest = f"; of {', '.join(silent)} only whether they were replaced" if silent else ""
    return f"{how_many(len(groups), 'group')} of columns are replaced; guessed: {', '.join(guessed)}{rest}"
