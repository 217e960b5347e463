"""Transform (ch. 6): the conversion from inputs to features is part of the model, fitted once and exported with it.

Shape: Inputs, (B,) each -> Features by column name, (B, …) float32 or int64.

>>> from mlp_torch.representation.numbers import Scaled
>>> transform = Transform({"age": Scaled("age")})
>>> rows = {"age": torch.tensor([1.0, 3.0], dtype=torch.float64)}
>>> transform.fit(Sample(rows, torch.zeros(2), lambda read: []))({"age": rows["age"][:1]})
{'age': tensor([[-1.]])}
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.errors import ConfigError, DataError, Problem
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import check_forms
from mlp_torch.representation.statistics import farthest


class Transform(nn.Module):
    """All columns' `encode`.

    Args:
        columns: by name; a column that is None (an inherited one that an experiment drops) is left out.
    """

    def __init__(self, columns: Mapping[str, Column | None]):
        super().__init__()
        kept = {name: column for name, column in columns.items() if column is not None}
        if not kept:
            raise ConfigError("a model must have at least one column, however: data.columns is empty")
        for name in kept:
            if not name or "." in name or hasattr(nn.ModuleDict(), name):
                text = "a column's name must have no dot and be none of a module's own, whatever its field is called"
                raise ConfigError(f"{text}, however: {name=}")
        self.columns = nn.ModuleDict(kept)
        check_forms(self.reads)

    def named_columns(self) -> dict[str, Column]:
        """The columns by name."""
        return dict(self.columns.items())  # type: ignore[arg-type]  # nn.ModuleDict forgets what it holds

    @property
    def reads(self) -> list[Read]:
        """What all columns need of the raw fields."""
        return [read for column in self.named_columns().values() for read in column.reads.values()]

    __jit_unused_properties__ = ("reads",)

    def fit(
        self, sample: Sample, known: Mapping[str, Mapping[str, Tensor]] = MappingProxyType({}), *, grow: bool = True
    ) -> Self:
        """Fits every column on training rows, but for those that another run has fitted.

        Args:
            sample: of training rows.
            known: by column what another run has fitted it to, which is restored.
            grow: whether these columns' vocabularies grow by the words of `sample`.

        Raises:
            DataError: with each column that cannot be fitted.
        """
        problems = []
        for name, column in self.named_columns().items():
            column.seen = column.seen.new_zeros(0)
            try:
                if name not in known:
                    column.fit(sample)
                    continue
                restore(column, known[name])
                if grow:
                    column.grow(sample)
            except ValueError as error:
                fields = tuple(dict.fromkeys(read.field for read in column.reads.values()))
                problems.append(Problem("cannot_fit", str(error), fields, key=f"data.columns.{name}"))
        if problems:
            raise DataError(problems)
        self.resize()
        return self

    def resize(self) -> None:
        """Sets every column's sizes from its fitted buffers."""
        for column in self.named_columns().values():
            column.resize()

    def see(self, features: Mapping[str, Tensor]) -> None:
        """Notes which codes the features of training rows hold; they may come in pieces."""
        for name, column in self.named_columns().items():
            if column.codes:
                column.see(features[name])

    def notes(self) -> list[str]:
        """What is worth knowing of the columns, once training rows are encoded."""
        return [f"column {name}: {note}" for name, column in self.named_columns().items() for note in column.notes()]

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        features: dict[str, Tensor] = {}
        for name, column in self.columns.items():
            features[name] = column.encode(inputs)  # type: ignore[operator]
        return features

    @torch.jit.export
    def unseen(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """By column of features, which rows hold a category, or only words, that training never showed: (B,) bool."""
        rows: dict[str, Tensor] = {}
        for name, column in self.columns.items():
            if column.unknown >= 0:  # type: ignore[operator]
                unknown = torch.eq(features[name], column.unknown)  # type: ignore[arg-type]
                rows[name] = unknown.any(dim=1) if unknown.dim() > 1 else unknown  # of several fields, in one of them
                if column.lenient:  # what is below the code of unknown is padding
                    known = torch.gt(features[name], column.unknown)  # type: ignore[arg-type]
                    rows[name] = rows[name] & ~known.any(dim=1)
        return rows

    def clipped(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """By column of features of which some row reaches the limit, which rows do: (B,) bool."""
        limits = {name: column.limit for name, column in self.named_columns().items() if column.limit < math.inf}
        reached = {name: limit for name, limit in limits.items() if farthest(features[name]) >= limit}
        return {name: features[name][:, 0].abs() >= limit for name, limit in reached.items()}


def restore(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Loads a state whose fitted buffers may have other lengths than the module's, and adopts them and their sizes.

    Raises:
        RuntimeError: where names are missing or unexpected, as `load_state_dict` does.
    """
    for prefix, child in module.named_modules():
        for name, buffer in list(child.named_buffers(recurse=False)):
            stored = state.get(f"{prefix}.{name}" if prefix else name)
            if stored is not None and stored.shape != buffer.shape:
                setattr(child, name, torch.empty_like(stored, device=buffer.device))
    module.load_state_dict(dict(state))
    for child in module.modules():
        if isinstance(child, Column):
            child.resize()
