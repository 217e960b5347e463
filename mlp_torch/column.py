"""The interface of a Column: how raw values become features, and which layer learns from them.

A Column owns the *fixed* half of a representation. `fit` looks at training rows once, `encode` is what both training
and serving run (it is scripted into the exported graph), `layer` builds the learned half. A new column is one file:

>>> class Squared(Column):
...     def __init__(self, field: str):
...         super().__init__({"x": Read(field)})
...         self.key, self.dim = self.reads["x"].key, 1
...     def encode(self, inputs: dict[str, Tensor]) -> Tensor:
...         return (inputs[self.key].nan_to_num() ** 2).float().unsqueeze(-1)
...     def layer(self) -> nn.Module:
...         return nn.Identity()
>>> Squared("age").encode({"age": torch.tensor([3.0], dtype=torch.float64)})
tensor([[9.]])
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mlp_torch.ingest.reads import Inputs, Read, Words


class Sample(NamedTuple):
    """What a fit may see: training rows, nothing else.

    Shape: `inputs` as Inputs, N rows each; `y` (N,) float64, of several labels (N, k).
    """

    inputs: Inputs
    y: Tensor
    words: Words


class Column(nn.Module):
    """Raw values to features, without trained parameters. Fitted state lives in buffers, so that it is in `state_dict`.

    Args:
        reads: what it needs of the raw fields, by a name of its own.
        l1: of the absolute values of its layer's parameters, what is added to the loss.
        l2: the same of their squares.

    Attributes:
        dim: width of what `layer()` gives, (B, dim) float32; known once fitted.
        codes: rows of the table that the default layer learns; known once fitted.
        seen: (codes,) bool, which codes training rows hold; empty until `see`.
        unknown: the code of a category that training never showed; -1 where there is no such code.
        lenient: whether a row with several codes counts as unseen only where none of them is known, as of a text.
        limit: largest absolute value of its numbers, at which others are clipped.
        uses_y: whether it is fitted on the target too, which the folds of a stage must not share.
    """

    seen: Tensor

    def __init__(self, reads: dict[str, Read], *, l1: float = 0.0, l2: float = 0.0):
        super().__init__()
        for name, share in (("l1", l1), ("l2", l2)):
            if not 0 <= share < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, however: {name}={share}")
        self.reads, self.l1, self.l2 = reads, l1, l2
        self.codes, self.dim, self.unknown = 0, 0, -1  # on the instance: TorchScript sees no class attributes
        self.lenient = False
        self.limit = math.inf
        self.uses_y = False
        self.register_buffer("seen", torch.zeros(0, dtype=torch.bool))

    def fit(self, sample: Sample) -> None:
        """Learns from training rows; by default there is nothing to learn."""

    def grow(self, sample: Sample) -> None:
        """Learns the words of other training rows beside those that it knows, whose codes stay; as a rule nothing."""

    def resize(self) -> None:
        """Sets `codes`, `dim` and other plain attributes from the fitted buffers; after fit, growth and restore."""

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        """Features of each row, row by row: (B,) int64 codes, or (B, w) float32. Must script."""
        raise NotImplementedError

    def see(self, codes: Tensor) -> None:
        """Notes which codes training rows hold, (N, …) int64, and more of them when called again."""
        held = torch.bincount(codes.reshape(-1), minlength=self.codes) > 0
        held[: len(self.seen)] |= self.seen  # which is shorter where a vocabulary has grown
        self.seen = held

    def notes(self) -> list[str]:
        """What is worth knowing of it once it is fitted and has seen the codes of training rows; as a rule nothing."""
        return []

    def report(self) -> dict[str, float]:
        """What `notes` tells in figures, by name, for report.json; as a rule nothing."""
        return {}

    def part(self, inputs: dict[str, Tensor]) -> Tensor:
        """What this column gives to a cross: (B,) int64. Only columns that can be crossed have one."""
        raise NotImplementedError(f"{type(self).__name__} cannot be a part of a cross")

    def widths(self) -> dict[str, int]:
        """The widths that lie side by side in what `layer()` gives, by part; as a rule one, without a name."""
        return {"": self.dim}

    def meanings(self) -> list[str]:
        """For people, what each of its codes stands for: `codes` texts, or none where there is nothing to tell."""
        return []

    def before_after(self, inputs: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        """For pictures, by raw field: its numbers, (n,), and what `encode` made of each, (n,); as a rule none."""
        return {}

    def layer(self) -> nn.Module:
        """The learned reader of the features: -> (B, dim) float32."""
        return Rows(self.codes, self.dim, seen=self.seen)


class Rows(nn.Module):
    """A table with one learned row a code; in training it hides a share of the codes, so that spare rows are learned.

    A spare row stands for what training never shows: an unknown category, a month to come, an empty bucket. Left to
    itself it would keep its random start, and add that noise to every such row served; so it starts at 0 and takes the
    place of a few others in each step. Book: ch. 2, Embeddings.

    Args:
        codes: number of rows.
        dim: width of a row.
        seen: (codes,) bool, which codes training rows hold; the others are spare. By default, or empty: all are held.
        hide: share of training rows hidden, 0 ≤ hide < 1; spare codes replace theirs, each as often.
        std: standard deviation of the numbers at the start; by default 1/√dim.

    Shape: (B,) int64 -> (B, dim) float32.
    """

    spare: Tensor

    def __init__(
        self, codes: int, dim: int, *, seen: Tensor | None = None, hide: float = 0.01, std: float | None = None
    ):
        super().__init__()
        if not 0 <= hide < 1:
            raise ValueError(f"hide must be at least 0 and less than 1, however: {hide=}")
        spare = torch.zeros(0, dtype=torch.int64) if seen is None or not len(seen) else (~seen).nonzero().squeeze(1)
        self.table = nn.Embedding(codes, dim)
        nn.init.normal_(self.table.weight, std=dim**-0.5 if std is None else std)
        self.table.weight.data[spare] = 0
        self.hide = hide if len(spare) else 0.0
        self.register_buffer("spare", spare, persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        rows: Tensor = self.table(self.hidden(codes))
        return rows  # (B, dim)

    def hidden(self, codes: Tensor) -> Tensor:
        """The same codes; in training with spare ones in the place of some."""
        if self.training and self.hide > 0:
            chance = torch.rand(codes.shape, device=codes.device)  # (B,)
            which = (chance * (self.spare.shape[0] / self.hide)).long().clamp(max=self.spare.shape[0] - 1)
            codes = torch.where(chance < self.hide, self.spare[which], codes)
        return codes
