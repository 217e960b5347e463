"""Ingestion inside the exported graph: raw values to Inputs in TorchScript, in a process without this package.

The same rules and the same bits as the Arrow path, from what a TorchScript host can hold: tensors and strings by raw
field name. What would be refused there raises here, naming the field. A served row cannot be dropped, so `drop` raises.
Pattern: Stateless Serving Function, ch. 5. Shape: B values a field -> (B,) float64 or int64 by `Read.key`.

>>> scripted = Scripted(Schema.of([Read("hour"), Read("origin", "string")]))
>>> scripted({"hour": torch.tensor([5])}, {"origin": [None]})
{'hour': tensor([5.], dtype=torch.float64), 'origin:string': tensor([0])}
"""

import torch
from torch import Tensor, nn

from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.fingerprint import scripted_fingerprints
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.times import FIRST, LAST, wall_seconds

Strings = dict[str, list[str | None]]


class Reader(nn.Module):
    """One read of a field: its values, and which of them are invalid (only where the policy takes those as missing).

    Args:
        policy: the field's policies.
        read: as what it is read.
    """

    float64: Tensor
    int64: Tensor
    na_values: list[str]
    na_numbers: list[float]

    def __init__(self, policy: Field, read: Read):
        super().__init__()
        self.field = policy.name
        self.na_values, self.na_numbers = list(policy.na_values), list(policy.na_numbers)
        self.lenient = policy.invalid == "missing"
        self.lowest, self.highest, self.range = policy.lowest, policy.highest, policy.range
        self.bounded = policy.bounded and read.kind == "number"
        if read.kind == "time":  # seconds outside the calendar are milliseconds, as a rule
            self.lowest, self.highest, self.range, self.bounded = float(FIRST), float(LAST), "years 1 to 9999", True
        # Buffers without dimensions, not `x.device`: a frozen graph moves buffers with map_location, but keeps a
        # device that it has read as the constant it was.
        self.register_buffer("float64", torch.zeros((), dtype=torch.float64), persistent=False)
        self.register_buffer("int64", torch.zeros((), dtype=torch.int64), persistent=False)

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


class NumberReader(Reader):
    """A number: a tensor of any real type, NaN = missing."""

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> tuple[Tensor, Tensor]:
        if self.field not in tensors:
            raise RuntimeError(f'field "{self.field}" must be given in `tensors`: numbers of shape (B,), NaN = missing')
        return self.numbers(tensors[self.field])


class TimeReader(Reader):
    """A time: ISO text, or a tensor of seconds of wall clock since 1970-01-01."""

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> tuple[Tensor, Tensor]:
        if self.field in strings:
            return self.told(strings[self.field])
        if self.field not in tensors:
            raise RuntimeError(
                f'field "{self.field}" must be given in `strings`: YYYY-MM-DD[(T| )HH:MM[:SS]] or None; '
                "or in `tensors`: seconds of wall clock since 1970-01-01"
            )
        if tensors[self.field].dtype == torch.bool:
            raise RuntimeError(f'field "{self.field}" must be text or seconds, however: a tensor of bool')
        return self.numbers(tensors[self.field])

    def told(self, texts: list[str | None]) -> tuple[Tensor, Tensor]:
        """ISO texts as seconds."""
        values: list[int] = []  # not of floats: TorchScript takes a list of those through float32
        state: list[int] = []  # 0 a time, 1 missing, 2 invalid
        for text in texts:
            value, kind = 0, 1
            if text is not None and text not in self.na_values:
                seconds = wall_seconds(text)
                kind = 2
                if seconds is not None:
                    value, kind = seconds, 0
            values.append(value)
            state.append(kind)
        kinds = torch.tensor(state, dtype=torch.int64).to(self.int64)  # (B,)
        invalid = self.refuse(kinds == 2, "be YYYY-MM-DD[(T| )HH:MM[:SS]], a date of the calendar")
        found = torch.tensor(values, dtype=torch.int64).to(self.float64)  # (B,)
        return found.masked_fill(kinds != 0, float("nan")), invalid


class StringReader(Reader):
    """A category: text, or a tensor of whole numbers as decimal text ("5")."""

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> tuple[Tensor, Tensor]:
        texts: list[str | None] = []
        wrong = torch.zeros(0, dtype=torch.int64)
        if self.field in strings:
            texts = strings[self.field]
            wrong = torch.zeros(len(texts), dtype=torch.int64)
        elif self.field in tensors:
            texts, wrong = self.written(tensors[self.field])
        else:
            raise RuntimeError(
                f'field "{self.field}" must be given in `strings`: texts or None; or in `tensors`: whole numbers'
            )
        named: list[str | None] = []
        for text in texts:
            if text is not None and text in self.na_values:
                named.append(None)
            else:
                named.append(text)
        return scripted_fingerprints(named).to(self.int64), wrong.to(self.int64) > 0

    def written(self, x: Tensor) -> tuple[list[str | None], Tensor]:
        """Whole numbers as decimal text, and which are infinite."""
        if x.dim() != 1 or x.is_complex():
            raise RuntimeError(f'field "{self.field}" must be a real tensor of shape (B,), however: shape={x.shape}')
        x = x.cpu()
        size, infinite = x.double().abs(), x.double().isinf()
        self.refuse(infinite, "be finite")
        if x.is_floating_point():
            self.forbid(size.isfinite() & (size != size.floor()), "be text or whole; a category is not continuous")
            self.forbid(size.isfinite() & (size > 2.0**53), "be within ±2^53")
            codes = x.double().nan_to_num(0.0, 0.0, 0.0).long()
        else:
            codes = x.long()
            self.forbid(codes.double() != x.double(), "fit int64")
        absent: list[bool] = (x.double().isnan() | infinite).tolist()
        whole: list[int] = codes.tolist()
        texts: list[str | None] = []
        for i in range(len(whole)):
            if absent[i]:
                texts.append(None)
            else:
                texts.append(str(whole[i]))
        return texts, infinite.long()


class FieldReader(nn.Module):
    """All reads of one field; a value that is invalid for one of them is missing for all.

    Args:
        policy: the field's policies.
        reads: as what it is read.
    """

    def __init__(self, policy: Field, reads: list[Read]):
        super().__init__()
        kinds = {"number": NumberReader, "string": StringReader, "time": TimeReader}
        self.readers = nn.ModuleList([kinds[read.kind](policy, read) for read in reads])
        self.keys = [read.key for read in reads]
        self.field, self.required = policy.name, policy.missing != "keep"

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> dict[str, Tensor]:
        values: dict[str, Tensor] = {}
        invalid: list[Tensor] = []
        for i, reader in enumerate(self.readers):
            values[self.keys[i]], bad = reader(tensors, strings)
            if len(invalid) > 0 and bad.shape[0] != invalid[0].shape[0]:
                raise RuntimeError(f'field "{self.field}" must have as many rows in `tensors` as in `strings`')
            invalid.append(bad if len(invalid) == 0 else bad | invalid[-1])
        for key, found in values.items():
            values[key] = self.settled(found, invalid[-1])
        return values

    def settled(self, values: Tensor, invalid: Tensor) -> Tensor:
        """The values, missing where invalid; raises where a value must not be missing."""
        if values.is_floating_point():
            values = values.masked_fill(invalid, float("nan"))
        else:
            values = values.masked_fill(invalid, 0)
        if self.required:
            gone = int((values.isnan() if values.is_floating_point() else values == 0).sum().item())
            if gone > 0:
                raise RuntimeError(f'field "{self.field}" must not be missing, however: {gone} of {len(values)} rows')
        return values


class Scripted(nn.Module):
    """Raw values to Inputs; runs eagerly and in TorchScript, on whatever device its buffers are.

    Args:
        schema: the fields to read, e.g. a `Schema.subset`.

    Raises:
        RuntimeError: (once scripted `torch.jit.Error`, which is none) a field that is missing, has another number of
            rows, or holds what its policies refuse.
    """

    def __init__(self, schema: Schema):
        super().__init__()
        self.names, self.strict = list(schema.fields), schema.strict
        by_field = {name: [item for item in schema.reads.values() if item.field == name] for name in schema.fields}
        self.fields = nn.ModuleList([FieldReader(schema.fields[name], by_field[name]) for name in schema.fields])

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> dict[str, Tensor]:
        if self.strict:
            for name in list(tensors.keys()) + list(strings.keys()):
                if name not in self.names:
                    raise RuntimeError(f'names must be fields of the schema, however: "{name}"')
        inputs: dict[str, Tensor] = {}
        rows = -1
        for field in self.fields:
            for key, values in field(tensors, strings).items():
                if rows >= 0 and values.shape[0] != rows:
                    raise RuntimeError(f'fields must have {rows} rows, however: "{key}" has {values.shape[0]}')
                rows = values.shape[0]
                inputs[key] = values  # (B,)
        return inputs
