"""The interface of a kind inside the graph: raw values as a TorchScript host passes them, to Inputs.

What would be refused elsewhere raises here, naming the field. A served row cannot be dropped, so `drop` raises too.
"""

import torch
from torch import Tensor, nn

from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.reads import Read

Strings = dict[str, list[str | None]]


class Reader(nn.Module):
    """One read of a field: its values; which rows are invalid, if the policy takes those as missing; which are missing.

    Args:
        policy: the field's policies.
        read: as what it is read.

    Attributes:
        nothing: what stands for a missing value.

    Shape: B values -> (B, …), (B,) bool, (B,) bool.
    """

    float64: Tensor
    int64: Tensor
    na_values: list[str]
    na_numbers: list[float]

    def __init__(self, policy: Field, read: Read):
        super().__init__()
        self.field = policy.name
        self.nothing = float("nan") if read.kind in ("number", "time", "statistics", "vector") else 0.0
        self.na_values, self.na_numbers = list(policy.na_values), list(policy.na_numbers)
        self.lenient = policy.invalid == "missing"
        self.lowest, self.highest, self.range = policy.lowest, policy.highest, policy.range
        self.bounded = policy.bounded and read.kind == "number"
        # Buffers without dimensions, not `x.device`: a frozen graph moves buffers with map_location, but keeps a
        # device that it has read as the constant it was.
        self.register_buffer("float64", torch.zeros((), dtype=torch.float64), persistent=False)
        self.register_buffer("int64", torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> tuple[Tensor, Tensor, Tensor]:
        """The field's values among those of all fields."""
        raise NotImplementedError

    def refuse(self, bad: Tensor, rule: str) -> Tensor:
        """Raises where a value is bad, unless the policy takes it as missing."""
        if not self.lenient:
            self.forbid(bad, rule)
        return bad

    def forbid(self, bad: Tensor, rule: str) -> None:
        """Raises where a value is bad, with the first bad row."""
        count = int(bad.sum().item())
        if count > 0:
            row = int(bad.nonzero()[0].item())
            raise RuntimeError(
                f'field "{self.field}": values must {rule}, however: {count} of {bad.shape[0]} rows, first row {row}'
            )

    def texts(self, strings: Strings) -> list[str | None]:
        """The field's texts, None where one means missing."""
        if self.field not in strings:
            raise RuntimeError(f'field "{self.field}" must be given in `strings`: texts or None')
        return self.named(strings[self.field])

    def named(self, texts: list[str | None]) -> list[str | None]:
        """The texts, None where one means missing."""
        found: list[str | None] = []
        for text in texts:
            if text is not None and text in self.na_values:
                found.append(None)
            else:
                found.append(text)
        return found

    def absent(self, texts: list[str | None]) -> Tensor:
        """(B,) bool: which texts are missing."""
        return torch.tensor([text is None for text in texts], dtype=torch.bool).to(self.int64) > 0

    def numbers(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Any tensor as float64, and which values are invalid."""
        if x.dim() != 1 or x.is_complex():
            raise RuntimeError(f'field "{self.field}" must be a real tensor of shape (B,), however: shape={x.shape}')
        if not x.is_floating_point():
            # 2^53 + 1 is rounded to 2^53, hence the second look; `2**53` would be a float in TorchScript
            size, largest = x.double().abs(), 9007199254740992
            self.forbid((size > largest) | ((size == largest) & (x.long().abs() != largest)), "be within ±2^53")
        values = x.to(self.float64)
        for number in self.na_numbers:
            values = values.masked_fill(values == number, float("nan"))
        bad = self.refuse(values.isinf(), "be finite")
        if self.bounded:
            outside = (values < self.lowest) | (values > self.highest)
            bad = bad | self.refuse(outside, f"be in the valid range {self.range}")
        return values, bad
