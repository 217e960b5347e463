"""The raw fields of a model: kinds, policies, training ranges. It is saved with the model as `schema.json`.

The same schema judges training rows, batch files and requests, so they cannot disagree. No row leaves by it: its
example is made of medians and most frequent words.

>>> schema = Schema.of([Read("hour")], {"hour": {"min": 0, "max": 24}})
>>> schema.check(pa.table({"hour": [25, None]}))
Traceback (most recent call last):
mlp_torch.errors.DataError: out_of_range: column "hour": a number lies outside the valid range [0, 24]; 1 of 2 rows, \
row 0; e.g. "25"; policy: data.fields.hour.invalid
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from mlp_torch.errors import ConfigError, ModelError, near
from mlp_torch.ingest.block import Block
from mlp_torch.ingest.checks import Checked, check
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.kinds.read import KINDS
from mlp_torch.ingest.kinds.string import frequent
from mlp_torch.ingest.notice import blanks
from mlp_torch.ingest.reads import Inputs, Kind, Read, Words

__all__ = ["Checked", "Field", "Schema"]
MAX_CELL = 2**24  # values that a schema may say a cell has: an image of 2,300 × 2,300 in three colours

TYPICAL_ROWS = 10_000  # evenly spaced, of which the example row is made


@dataclass(frozen=True)
class Schema:
    """Raw fields and how they are read.

    Attributes:
        fields: policies and training ranges by name.
        reads: what ingestion makes of them, by key.
        strict: whether a column that no field names is an error.
        example: a synthetic row as a caller would send it; empty until `learn`.
    """

    fields: dict[str, Field]
    reads: dict[str, Read]
    strict: bool = False
    example: dict[str, object] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        reads: Iterable[Read],
        policies: Mapping[str, Mapping[str, object] | None] | None = None,
        *,
        strict: bool = False,
    ) -> "Schema":
        """The schema of some reads with the policies of `data.fields`.

        Raises:
            ConfigError: for a policy that is unknown, or of a field that nobody reads.
        """
        by_key, kinds = keyed(reads)
        given = dict(policies or {})
        for name in given:
            if name not in kinds:
                raise ConfigError(f"a policy's field must be read, however: data.fields.{name}; {near(name, kinds)}")
        return cls({name: Field.of(name, kinds[name], given.get(name)) for name in kinds}, by_key, strict)

    def subset(self, reads: Iterable[Read]) -> "Schema":
        """The part that some of the reads need: serving needs no target.

        Raises:
            ConfigError: for a read that the schema does not have.
        """
        by_key, kinds = keyed(reads)
        for key in by_key:
            if key not in self.reads:
                raise ConfigError(f"a read must be one of the schema's, however: {key}; {near(key, self.reads)}")
        fields = {name: self.fields[name].read_as(kinds[name]) for name in self.fields if name in kinds}
        example = {name: value for name, value in self.example.items() if name in kinds}
        return replace(self, fields=fields, reads=by_key, example=example)

    def check(self, rows: pa.Table | Block, *, training: bool = False, skip: bool = False) -> Checked:
        """The rows, checked: see `mlp_torch.ingest.checks.check`. Raises DataError with every problem."""
        block = rows if isinstance(rows, Block) else Block(rows)
        strict = self.strict or block.strict
        return check(block, self.fields, self.reads, strict=strict, training=training, skip=skip)

    def learn(self, inputs: Inputs, words: Words) -> "Schema":
        """The same schema with the ranges of training rows and a synthetic example.

        Args:
            inputs: training rows.
            words: the words behind their fingerprints.
        """
        fields = {name: ranged(item, inputs) for name, item in self.fields.items()}
        some = {key: x[:: -(-len(x) // TYPICAL_ROWS) or 1] for key, x in inputs.items()}
        example = {
            name: typical([read for read in self.reads.values() if read.field == name], some, words) for name in fields
        }
        return replace(self, fields=fields, example=example)

    def counted(self, counts: Mapping[str, Any]) -> "Schema":
        """The same schema with each field's share of cells that training read as missing, by its validator's counts."""
        found, rows = blanks(counts["changed"]), max(counts["read"], 1)
        fields = {name: replace(item, blanked=found.get(name, 0) / rows) for name, item in self.fields.items()}
        return replace(self, fields=fields)

    def to_json(self) -> dict[str, Any]:
        """Plain values: {"fields": […], "reads": [[field, kind, options], …], "strict": …, "example": {…}}."""
        return {
            "fields": [item.to_json() for item in self.fields.values()],
            "reads": [[*item[:2], *filter(None, [options_of(item)])] for item in self.reads.values()],
            "strict": self.strict,
            "example": self.example,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Schema":
        """What `to_json` gave.

        Raises:
            ModelError: where the value is no schema.
        """
        try:
            by_key, kinds = keyed(read_of(*item) for item in value["reads"])
            fields = {item["name"]: Field.from_json(item) for item in value["fields"]}
            schema = cls(fields, by_key, bool(value["strict"]), dict(value["example"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"a schema must have fields, reads, strict and example, however: {error!r}") from None
        if kinds != {name: item.kinds for name, item in fields.items()}:
            raise ModelError(f"a schema's reads must be those of its fields, however: {kinds}")
        return schema


def keyed(reads: Iterable[Read]) -> tuple[dict[str, Read], dict[str, tuple[Kind, ...]]]:
    """Reads by key, and the kinds of each field, both in the order of first appearance.

    Raises:
        ConfigError: where two reads would share a key, as number "a:string" and string "a" would, or where one field
            would be passed to the exported graph in two shapes.
    """
    by_key: dict[str, Read] = {}
    kinds: dict[str, tuple[Kind, ...]] = {}
    passed: dict[tuple[str, str], Read] = {}  # what a host passes as one tensor a field
    for item in reads:
        if item.kind not in KINDS:
            raise ConfigError(f"a read's kind must be one of {', '.join(KINDS)}, however: {item.field}: {item.kind}")
        if by_key.setdefault(item.key, item) != item:
            raise ConfigError(f"the keys of reads must differ, however: {by_key[item.key]} and {item}")
        first = passed.setdefault((item.field, item.kind), item)
        if KINDS[item.kind].shaped and (first.size, first.max_tokens) != (item.size, item.max_tokens):
            option = "max_names" if item.max_tokens else "size"
            one, other = (read.max_tokens or read.size for read in (first, item))
            text = f"all columns that read {item.field} as {item.kind.partition('_')[0]} must have the same {option}"
            raise ConfigError(f"{text}, for one tensor of it goes into the exported graph, however: {one} and {other}")
        if item.kind not in kinds.get(item.field, ()):
            kinds[item.field] = (*kinds.get(item.field, ()), item.kind)
    return by_key, kinds


def check_forms(reads: Iterable[Read]) -> None:
    """Refuses kinds that no one form of a field serves, in the first second and not when the graph is probed.

    Args:
        reads: of the columns, which go into the graph; what a split or a key reads does not.
    """
    kinds: dict[str, list[Kind]] = {}
    for item in reads:
        found = kinds.setdefault(item.field, [])
        found.append(item.kind)
        if not set.intersection(*(set(KINDS[kind].forms) for kind in found)):
            forms = set(KINDS[item.kind].forms)
            first = next((kind for kind in found if forms.isdisjoint(KINDS[kind].forms)), found[0])
            both = " and as ".join(kind.partition("_")[0] for kind in (first, item.kind))
            text = f"{item.field} must be read by all columns in one form, which goes into the exported graph"
            raise ConfigError(f"{text}, however: as {both}; give the table a second field for one of them")


def ranged(policy: Field, inputs: Inputs) -> Field:
    """The field with the training range of its numbers."""
    if "number" not in policy.kinds:
        return policy
    found = inputs[Read(policy.name).key].numpy()
    low, high = np.fmin.reduce(found, initial=np.nan), np.fmax.reduce(found, initial=np.nan)  # NaN counts for neither
    if np.isnan(low):
        return policy
    return replace(policy, low=float(low), high=float(high))


def options_of(item: Read) -> dict[str, Any]:
    """What of a read is not the default."""
    found = {"max_tokens": item.max_tokens, "size": list(item.size), "separator": item.separator}
    return {name: value for name, value in found.items() if value}


def read_of(field: str, kind: Kind, options: Mapping[str, Any] = MappingProxyType({})) -> Read:
    """What `options_of` was taken from. Raises ValueError for what it cannot have been."""
    most, size, separator = options.get("max_tokens", 0), tuple(options.get("size", ())), options.get("separator", "")
    if not all(isinstance(text, str) for text in (field, kind, separator)):
        raise ValueError(f"a read must have names, however: {field!r}, {kind!r}, {separator!r}")
    if not all(type(n) is int and 0 < n <= MAX_CELL for n in (*size, most or 1)) or math.prod(size) > MAX_CELL:
        raise ValueError(f"a cell must have at most {MAX_CELL:,} values, however: {field!r} has {size or most}")
    return Read(field, kind, most, size, separator)


def typical(reads: list[Read], inputs: Inputs, words: Words) -> object:
    """A value of a field as a caller would send it: one that all its reads take, and that is no row's."""
    kinds = {item.kind: item for item in reads}
    if {"number", "string"} <= kinds.keys():
        return whole_word(kinds["string"], inputs, words)
    first = kinds.get("string", kinds.get("number", kinds.get("tokens", reads[0])))
    if {"string", "time"} <= kinds.keys():  # a word that is a time
        return next(iter(frequent(inputs[first.key], words(first), most=1)), (None,))[0]
    return KINDS[first.kind].example(first, inputs, words)


def whole_word(item: Read, inputs: Inputs, words: Words) -> int | None:
    """The most frequent word that is a whole number."""
    numbers = [(fingerprint, word) for fingerprint, word in words(item) if word.removeprefix("-").isdecimal()]
    found = frequent(inputs[item.key], numbers, most=1)
    return int(found[0][0]) if found else None
