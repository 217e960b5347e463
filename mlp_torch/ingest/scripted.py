"""Ingestion inside the exported graph: raw values to Inputs in TorchScript, in a process without this package.

The same rules and the same bits as the Arrow path, from what a TorchScript host can hold: tensors and strings by raw
field name. What would be refused there raises here, naming the field. A served row cannot be dropped, so `drop` raises.
Pattern: Stateless Serving Function, ch. 5. Shape: B values a field -> (B,) float64 or int64 by `Read.key`.

>>> import torch
>>> scripted = Scripted(Schema.of([Read("hour"), Read("origin", "string")]))
>>> scripted({"hour": torch.tensor([5])}, {"origin": [None]})
{'hour': tensor([5.], dtype=torch.float64), 'origin:string': tensor([0])}
"""

from torch import Tensor, nn

from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.kinds.read import KINDS
from mlp_torch.ingest.kinds.reader import Strings
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema


class FieldReader(nn.Module):
    """All reads of one field; a value that is invalid for one of them is missing for all.

    Args:
        policy: the field's policies.
        reads: as what it is read.
    """

    def __init__(self, policy: Field, reads: list[Read]):
        super().__init__()
        self.readers = nn.ModuleList([KINDS[read.kind].reader(policy, read) for read in reads])
        self.keys = [read.key for read in reads]
        self.field, self.required = policy.name, policy.missing != "keep"

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> dict[str, Tensor]:
        values: dict[str, Tensor] = {}
        invalid: list[Tensor] = []
        gone: list[Tensor] = []
        for i, reader in enumerate(self.readers):
            values[self.keys[i]], bad, missing = reader(tensors, strings)
            if len(invalid) > 0 and bad.shape[0] != invalid[0].shape[0]:
                raise RuntimeError(f'field "{self.field}" must have as many rows in `tensors` as in `strings`')
            invalid.append(bad if len(invalid) == 0 else bad | invalid[-1])
            gone.append(missing if len(gone) == 0 else missing | gone[-1])
        if self.required:
            lost = int((gone[-1] | invalid[-1]).sum().item())
            if lost > 0:
                raise RuntimeError(f'field "{self.field}" must not be missing, however: {lost} of {len(gone[-1])} rows')
        for i, reader in enumerate(self.readers):
            found = values[self.keys[i]]
            rows = invalid[-1].reshape([-1] + [1] * (found.dim() - 1))  # TorchScript does not unpack
            values[self.keys[i]] = found.masked_fill(rows, reader.nothing)  # type: ignore[arg-type]
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
