"""Simple numbers (ch. 2): a chain of small fitted steps, the z-score by default, and a flag where cells are missing.

Shape: (B,) float64, NaN = missing -> (B, w or w + 1) float32, w = 1 unless a step widens.

>>> age = Scaled("age")
>>> rows = {"age": torch.tensor([20.0, 40.0, float("nan")], dtype=torch.float64)}
>>> age.fit(Sample(rows, torch.zeros(3), lambda read: [])); age.resize()
>>> age.encode(rows)
tensor([[-1.,  0.],
        [ 1.,  0.],
        [ 0.,  1.]])
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from mlp_torch.column import Column, Sample
from mlp_torch.ingest.reads import Read
from mlp_torch.representation.statistics import average, median, present
from mlp_torch.representation.steps import Step, ZScore

FARTHEST = 1e6


class Scaled(Column):
    """A number through a chain of steps, by default its z-score; missing cells by policy.

    Outliers are valid data: they are clipped if asked, never dropped. Where training rows had missing cells, a last
    feature says so.

    Args:
        field: the raw field.
        steps: the chain, see `steps` and `curves`; by default `ZScore` alone.
        missing: what stands for a missing cell, the `mean` or the `median` of training rows; it goes through the chain.
        clip: largest absolute value of a feature. By default 1e6, which the z-score of training rows cannot reach (none
            of N lies further out than √N) and which keeps a network finite whatever number it is served.
        kind: `number`, or `time` for the days that have passed.

    Raises:
        ValueError: in `fit`, if every cell is missing, or where a step cannot be fitted.
    """

    fill: Tensor
    missing_seen: Tensor

    def __init__(
        self,
        field: str,
        *,
        steps: Sequence[Step] | None = None,
        missing: Literal["mean", "median"] = "mean",
        clip: float = FARTHEST,
        kind: Literal["number", "time"] = "number",
    ):
        super().__init__({"x": Read(field, kind)})
        if missing not in ("mean", "median"):
            raise ValueError(f"missing must be mean or median, however: {missing=}")
        if not 0 < clip <= FARTHEST:
            raise ValueError(f"clip must be more than 0 and at most {FARTHEST:g}, however: {clip=}")
        if steps is not None and not steps:
            raise ValueError(f"steps must be at least one, such as Identity, however: {steps=}")
        self.key, self.missing, self.limit = self.reads["x"].key, missing, float(clip)
        self.steps = nn.ModuleList([ZScore()] if steps is None else steps)
        self.features = math.prod(step.widens for step in self.chain)
        self.indicator, self.dim = False, self.features
        self.register_buffer("fill", torch.zeros((), dtype=torch.float64))
        self.register_buffer("missing_seen", torch.tensor(False))

    @property
    def chain(self) -> list[Step]:
        """The steps."""
        return list(self.steps)  # type: ignore[arg-type]  # nn.ModuleList forgets what it holds

    __jit_unused_properties__ = ("chain",)

    def fit(self, sample: Sample) -> None:
        cells = sample.inputs[self.key]
        x = present(cells, self.key)
        self.missing_seen = torch.tensor(len(x) < len(cells))
        self.fit_steps(x)
        first = self.chain[0]
        if self.missing == "median":
            self.fill = median(x)
        else:  # to sum a column up takes as long as to encode it
            self.fill = first.mean if isinstance(first, ZScore) else average(x)
        if not torch.isfinite(self.fill):
            text = f"{self.key} must have a finite {self.missing} (else bound it by min and max in data.fields)"
            raise ValueError(f"{text}, however: {self.fill:g}")

    def fit_steps(self, x: Tensor) -> None:
        """Fits each step on what those before it make of (N,) values of training rows."""
        *others, last = self.chain
        try:
            x = x.clone() if others else x  # a step may overwrite it
            for step in others:
                step.fit(x)
                x = step(x)
            last.fit(x)
        except ValueError as error:
            raise ValueError(f"{self.key} {error}") from error

    def resize(self) -> None:
        self.indicator = bool(self.missing_seen)
        self.dim = self.features + int(self.indicator)

    def encode(self, inputs: dict[str, Tensor]) -> Tensor:
        x = inputs[self.key]  # (B,)
        missing = torch.isnan(x)
        z = torch.where(missing, self.fill, x)
        for step in self.steps:
            z = step(z)
        z = z.clamp_(-self.limit, self.limit).float()  # (B,) or (w, B); in place: of columns memory is slow
        if self.features > 1:
            flag = missing.float().unsqueeze(-1)  # (B, 1)
            return torch.cat([z.t(), flag], dim=-1) if self.indicator else z.t().contiguous()  # (B, w or w + 1)
        if self.indicator:
            return torch.stack([z, missing.float()], dim=-1)  # (B, 2)
        return z.unsqueeze(-1)  # (B, 1)

    def before_after(self, inputs: dict[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        x = inputs[self.key]
        x = x[~torch.isnan(x)]
        return {self.reads["x"].field: (x, self.encode({self.key: x})[:, 0])}  # of powers the first

    def layer(self) -> nn.Module:
        return nn.Identity()
