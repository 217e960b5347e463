"""Numbers of several fields at once, each along a broken line of its own: straight between its knots, in float64.

It is how numerical embeddings keep numbers compact without loss. A number becomes its place among the knots, which
float32 holds to 2⁻²⁴ of the line's height wherever the knots lie: values near 0 beside one of 10⁹ stay apart.

Shape: (B,) float64 a field, NaN = missing -> (B, fields + flags) float32, a flag where training rows had missing cells.

>>> both = Polylines(["age", "size"])
>>> rows = {"age": torch.tensor([0.0, 10.0, 90.0]).double(), "size": torch.tensor([2.0, 4.0, float("nan")]).double()}
>>> both.fit(rows, lambda x, cells: through(torch.tensor([0.0, 10.0, 90.0]).double(), torch.arange(3).double()))
>>> both.resize()
>>> both({"age": torch.tensor([50.0]).double(), "size": torch.tensor([5.0]).double()})
tensor([[1.5000, 0.5000, 0.0000]])
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from mlp_torch.ingest.reads import Inputs, Read
from mlp_torch.representation.statistics import UNBOUNDED, average, knots, median, moments, present

STILL = 1e-12  # share of a constant's size that rounding leaves of it


class Line(NamedTuple):
    """A broken line, (m,) float64 each: where a segment begins, how long it is, its value there, how far it rises."""

    left: Tensor
    length: Tensor
    value: Tensor
    rise: Tensor


def through(knots: Tensor, values: Tensor) -> Line:
    """The line through points, (m + 1,) ascending knots and their values."""
    return Line(knots[:-1], knots.diff(), values[:-1], values.diff())


def level(at: Tensor) -> Line:
    """The line that is 0 everywhere, for a constant."""
    one = torch.ones(1, dtype=torch.float64)
    return Line(at.reshape(1), one, 0 * one, 0 * one)


def standard(x: Tensor) -> Line:
    """Deviations of (N,) values from their mean, in standard deviations."""
    if is_constant(x):
        return level(x[0])
    mean, deviation = moments(x).unsqueeze(1)
    return Line(mean, deviation, torch.zeros_like(mean), torch.ones_like(mean))


def ranked(x: Tensor, *, most: int = 1000) -> Line:
    """Normal scores of the ranks of (N,) values, by that many quantiles; from -5.2 to 5.2, equal ones in the middle."""
    if is_constant(x):
        return level(x[0])
    points, last = torch.unique_consecutive(knots(x.sort().values, min(most, len(x))), return_counts=True)
    last = last.cumsum(0) - 1  # of equal quantiles
    first = torch.cat([last.new_zeros(1), last[:-1] + 1])
    share = (first + last).double() / (2 * last[-1])
    return through(points, torch.special.ndtri(share.clamp(1e-7, 1 - 1e-7)))


def is_constant(x: Tensor) -> bool:
    """Whether (N,) values are one but for rounding.

    Raises:
        ValueError: if their distance overflows.
    """
    low, high = x.aminmax()
    if not (high - low).isfinite():
        raise ValueError(f"{UNBOUNDED}, however: values from {low:g} to {high:g}")
    return bool(high - low <= STILL * torch.maximum(-low, high))


class Polylines(nn.Module):
    """Fitted lines of several fields, a row of each buffer a field; shorter lines repeat their last segment.

    Args:
        fields: the raw fields.
        missing: what stands for a missing cell, the `mean` or the `median` of training rows.
        reach: how far beyond the ends of its line a number still counts, in lengths of the outermost segment.

    Attributes:
        segments: (F,) int64, how many segments each line has.
        flagged: (M,) int64, the places of the fields that had missing cells.
    """

    left: Tensor
    length: Tensor
    value: Tensor
    rise: Tensor
    fill: Tensor
    segments: Tensor
    flagged: Tensor

    def __init__(self, fields: Sequence[str], *, missing: Literal["mean", "median"] = "mean", reach: float = 1.0):
        super().__init__()
        if not fields or len(set(fields)) < len(fields):
            raise ValueError(f"fields must be at least one, each once, however: fields={list(fields)}")
        if missing not in ("mean", "median"):
            raise ValueError(f"missing must be mean or median, however: {missing=}")
        self.reads = {field: Read(field) for field in fields}
        self.keys = [read.key for read in self.reads.values()]
        self.missing, self.reach, self.flags = missing, float(reach), 0
        for name in Line._fields:
            self.register_buffer(name, torch.ones(len(fields), 1, dtype=torch.float64))
        self.register_buffer("fill", torch.zeros(len(fields), 1, dtype=torch.float64))
        self.register_buffer("segments", torch.ones(len(fields), dtype=torch.int64))
        self.register_buffer("flagged", torch.zeros(0, dtype=torch.int64))

    def fit(self, inputs: Inputs, draw: Callable[[Tensor, Tensor], Line]) -> None:
        """Learns a line for each field.

        Args:
            inputs: of training rows.
            draw: (values that are not missing, all cells) of a field -> its line.

        Raises:
            ValueError: for a field whose cells are all missing, or of which no line can be drawn.
        """
        found = [self.fit_one(inputs[key], key, draw) for key in self.keys]
        lines, fills = [line for line, _ in found], [fill for _, fill in found]
        most = max(len(line.left) for line in lines)
        for i, name in enumerate(Line._fields):
            setattr(self, name, torch.stack([longer(line[i], most) for line in lines]))
        self.fill = torch.stack(fills).unsqueeze(1)
        self.segments = torch.tensor([len(line.left) for line in lines])
        self.flagged = torch.tensor([bool(inputs[key].isnan().any()) for key in self.keys]).nonzero().squeeze(1)

    def fit_one(self, cells: Tensor, key: str, draw: Callable[[Tensor, Tensor], Line]) -> tuple[Line, Tensor]:
        """A field's line, and what stands for its missing cells."""
        x = present(cells, key)
        try:
            line, fill = draw(x, cells), median(x) if self.missing == "median" else average(x)
            if not fill.isfinite():
                bound = "(else bound it by min and max in data.fields)"
                raise ValueError(f"must have a finite {self.missing} {bound}, however: {fill:g}")
        except ValueError as error:
            raise ValueError(f"{key} {error}") from error
        return line, fill

    def resize(self) -> None:
        """Sets the number of flags from the fitted buffers."""
        self.flags = self.flagged.shape[0]

    def before_after(self, inputs: Inputs) -> dict[str, tuple[Tensor, Tensor]]:
        """By field, its numbers that are not missing, (n,), and where each lies on the line, (n,)."""
        z, found = self(inputs), {}
        for i, (field, key) in enumerate(zip(self.reads, self.keys, strict=True)):
            known = ~inputs[key].isnan()
            found[field] = inputs[key][known], z[known, i]
        return found

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        cells: list[Tensor] = []
        for key in self.keys:
            cells.append(inputs[key])
        x = torch.stack(cells)  # (F, B)
        missing = torch.isnan(x)
        x = torch.where(missing, self.fill, x)
        at: list[Tensor] = []
        for i in range(len(self.keys)):
            at.append(torch.bucketize(x[i], self.left[i], right=True))
        segment = (torch.stack(at) - 1).clamp_(min=0)  # (F, B)
        x = x.sub_(self.left.gather(1, segment)).div_(self.length.gather(1, segment))  # in place: memory is slow
        x = x.clamp_(-self.reach, 1 + self.reach).mul_(self.rise.gather(1, segment))
        z = x.add_(self.value.gather(1, segment)).float()
        if self.flags > 0:
            z = torch.cat([z, missing.index_select(0, self.flagged).float()])  # (F + M, B)
        return z.t().contiguous()  # (B, F + M)


def longer(x: Tensor, n: int) -> Tensor:
    """(m,) -> (n,): the last value again and again."""
    return torch.cat([x, x[-1:].expand(n - len(x))])
