"""Bucketized numbers (ch. 2): a number cut into buckets, each a category with a learned row, or a part of a cross.

Shape: (B,) float64, NaN = missing -> (B,) int64 codes, the last one for missing -> (B, dim) float32.

>>> age = Bucketized("age", buckets=2, by="width", dim=3)
>>> rows = {"age": torch.tensor([20.0, 30.0, 60.0, float("nan")], dtype=torch.float64)}
>>> age.fit(Sample(rows, torch.zeros(4), lambda read: [])); age.resize()
>>> age.edges, age.encode(rows)
(tensor([40.], dtype=torch.float64), tensor([0, 0, 1, 2]))
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mlp_torch.column import Column, Sample
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.embeddings import checked_dim, default_dim
from mlp_torch.representation.statistics import UNBOUNDED, present, quantiles

CLASSES = 20  # whole targets of so few values are classes to a tree


class Bucketized(Column):
    """A number as the bucket it falls in, each with a learned row; missing cells have one of their own, the last.

    Bucket i holds edges[i-1] <= x < edges[i].

    Args:
        field: the raw field.
        buckets: how many; with `quantile` ties make it fewer, with `tree` it is the most.
        by: how buckets are cut: `quantile`, with about as many training rows each; `width`, equally wide; `tree`, where
            a small decision tree on the target splits.
        edges: the inner edges, ascending, instead of `buckets`.
        dim: width of a row; by default about 1.6 · √codes.
        l1: of the absolute values of the rows, what is added to the loss.
        l2: the same of their squares.

    Raises:
        ValueError: in `fit` with `buckets`, if training rows do not have two distinct values, or if no edge is left.
    """

    edges: Tensor

    def __init__(
        self,
        field: str,
        *,
        buckets: int | None = None,
        by: Literal["quantile", "width", "tree"] = "quantile",
        edges: list[float] | None = None,
        dim: int | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
    ):
        super().__init__({"x": Read(field)}, l1=l1, l2=l2)
        if (buckets is None) == (edges is None):
            raise ValueError(f"one of buckets and edges must be given, however: {buckets=}, {edges=}")
        if buckets is not None and buckets < 2:
            raise ValueError(f"buckets must be at least 2, however: {buckets=}")
        if by not in ("quantile", "width", "tree"):
            raise ValueError(f"by must be quantile, width or tree, however: {by=}")
        if edges is not None and by != "quantile":
            raise ValueError(f"by is for buckets, not for edges that are given, however: {by=}")
        given = torch.tensor([] if edges is None else edges, dtype=torch.float64)
        if edges is not None and not (edges and given.isfinite().all() and (given.diff() > 0).all()):
            raise ValueError(f"edges must be finite numbers that ascend, at least 1, however: {edges=}")
        self.key, self.buckets, self.by, self.width = self.reads["x"].key, buckets, by, checked_dim(dim)
        self.uses_y = by == "tree"
        self.register_buffer("edges", given)

    def fit(self, sample: Sample) -> None:
        if self.buckets is None:
            return
        x = present(sample.inputs[self.key], self.key)
        if self.by == "tree":
            self.edges = tree_splits(sample.inputs[self.key], sample.y, buckets=self.buckets)[1]
        elif self.by == "width":
            self.edges = equal_edges(x, self.buckets, key=self.key)
        else:
            self.edges = quantiles(x.sort().values, self.buckets)
        if not (x != x[0]).any():
            text = "must have two distinct values to be cut into buckets (else leave it out), however: it has one"
            raise ValueError(f"{self.key} {text}")
        if not len(self.edges):
            text = "must tell targets apart for a tree to split it (else take by=quantile), however: no split does"
            raise ValueError(f"{self.key} {text}")

    def resize(self) -> None:
        self.codes = self.edges.shape[0] + 2
        self.dim = self.width or default_dim(self.codes)

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key].contiguous()  # (B,); the search warns of a slice with steps
        bucket = torch.bucketize(x, self.edges, right=True)
        return torch.where(torch.isnan(x), torch.full_like(bucket, self.edges.shape[0] + 1), bucket)  # (B,)

    def part(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.encode(inputs)

    def notes(self) -> list[str]:
        count, found = self.edges.shape[0] + 1, []
        if self.buckets is not None and count < self.buckets:
            cause = {"tree": "a tree splits no further", "quantile": "values are tied"}.get(self.by, "values are near")
            found.append(f"{self.key} is cut into {count} buckets, not {self.buckets}: {cause}")
        if len(self.seen) and (empty := int((~self.seen[:count]).sum())):
            found.append(f"{empty} of {count} buckets of {self.key} hold no training row")
        return found


def equal_edges(x: Tensor, buckets: int, *, key: str) -> Tensor:
    """The inner edges of equally wide buckets from the smallest to the largest of (N,) values.

    Args:
        x: the values.
        buckets: how many.
        key: the field, for errors.

    Raises:
        ValueError: if their distance overflows.
    """
    low, high = x.aminmax()
    if not (high - low).isfinite():
        raise ValueError(f"{key} {UNBOUNDED}, however: values from {low:g} to {high:g}")
    edges = low + (high - low) * torch.arange(1, buckets, dtype=torch.float64) / buckets
    return edges[edges.diff(prepend=low[None]) > 0]


def tree_splits(x: Tensor, y: Tensor, *, buckets: int) -> Tensor:
    """Where a decision tree on one number splits: (2, k) the last values below the splits and the first ones above.

    Splits ascend, are at most buckets - 1, and the same in any order of rows. Each leaf holds at least a fiftieth of an
    equal share of the rows.

    Args:
        x: (N,), NaN = missing.
        y: (N,) or (N, k), NaN = no label; whole numbers of few values are classes.
        buckets: the most leaves.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    values, labels = x.numpy(), y.numpy().reshape(len(y), -1)
    labelled = ~(np.isnan(values) | np.isnan(labels).any(axis=1))
    values, labels = values[labelled], labels[labelled]
    if len(values) < 2:
        return x.new_zeros(2, 0)
    order = np.lexsort((*labels.T, values))
    values, labels = values[order], labels[order]
    is_class = labels.shape[1] == 1 and len(classes := np.unique(labels)) <= CLASSES and (classes % 1 == 0).all()
    tree = (DecisionTreeClassifier if is_class else DecisionTreeRegressor)(
        max_leaf_nodes=buckets, min_samples_leaf=max(1, len(values) // (50 * buckets)), random_state=0
    )
    distinct, rank = np.unique(values, return_inverse=True)
    tree.fit(rank[:, None], labels)  # by rank, since it rounds to float32
    split = np.unique(tree.tree_.threshold[tree.tree_.children_left >= 0]).astype(np.int64)  # the last rank below
    return torch.from_numpy(np.stack([distinct[split], distinct[split + 1]]))
