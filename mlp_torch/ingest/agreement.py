"""One type a column for files that were written apart: what holds all their values as they are.

Text is text, with any offsets or as categories. Whole numbers, fractions and times without or in one zone take the
widest type among them; a column of nulls takes any. All else must be equal: a whole number in one file and a fraction
or text in another is a mistake, as a rule.

>>> agreed({"a": pa.schema({"x": pa.int8()}), "b": pa.schema({"x": pa.int64()})}).field("x").type
DataType(int64)
"""

from collections.abc import Mapping

import pyarrow as pa

from mlp_torch.errors import MAX_EXAMPLES, DataError, Problem
from mlp_torch.ingest.block import twice
from mlp_torch.ingest.cells import is_text


def agreed(schemas: Mapping[str, pa.Schema]) -> pa.Schema:
    """The columns of all files, in the order of the first one.

    Args:
        schemas: by file.

    Raises:
        DataError: `duplicate_column`; `different_types` with the column, the types and a file for each; a file without
            the column among them.
    """
    for file, schema in schemas.items():
        if again := twice(schema.names):
            text = f"a column's name must be there once, however: {file}"
            raise DataError(Problem("duplicate_column", text, again))
    fields, problems = [], []
    for name in dict.fromkeys(name for schema in schemas.values() for name in schema.names):
        kinds = [schema.field(name).type if name in schema.names else None for schema in schemas.values()]
        if None in kinds or len({family(kind) for kind in kinds} - {"null"}) > 1:
            problems.append(different(name, dict(zip(schemas, kinds, strict=True))))
        else:
            fields.append(pa.field(name, widest(kinds)))
    if problems:
        raise DataError(problems)
    return pa.schema(fields)


def family(kind: pa.DataType) -> str:
    """What a type has in common with those that differ in width alone."""
    if pa.types.is_dictionary(kind):
        return family(kind.value_type)
    if is_text(kind):
        return "text"
    if pa.types.is_integer(kind):
        return "whole number"
    if pa.types.is_floating(kind):
        return "fraction"
    return f"time in {kind.tz}" if pa.types.is_timestamp(kind) else str(kind)


def widest(kinds: list[pa.DataType]) -> pa.DataType:
    """The type of one family that holds the values of all."""
    found = list(dict.fromkeys(kinds))
    if len(found) == 1:
        return found[0]
    plain = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in found]
    if any(is_text(kind) for kind in plain):
        return pa.large_string()
    schemas = [pa.schema([pa.field("", kind)]) for kind in plain]
    return pa.unify_schemas(schemas, promote_options="permissive").field(0).type


def different(name: str, kinds: Mapping[str, pa.DataType | None]) -> Problem:
    """The problem of a column whose types do not agree, with the first file of each type."""
    first: dict[str, str] = {}
    for file, kind in kinds.items():
        first.setdefault(family(kind) if kind else "", f"{kind or 'no such column'} in {file}")
    named = list(first.values())[: MAX_EXAMPLES + 1]
    return Problem("different_types", f"all files must have one type, however: {', '.join(named)}", (name,))


def cast(table: pa.Table, schema: pa.Schema, file: str) -> pa.Table:
    """The columns of a file in the order and types of all.

    Raises:
        DataError: `different_types` where a value does not fit, as a time beyond the years of nanoseconds.
    """
    columns, problems = [], []
    for field in schema:
        column = table.column(field.name)
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowInvalid as error:
            text = f"all files must have one type, however: {column.type} in {file} is no {field.type}: {error}"
            problems.append(Problem("different_types", text, (field.name,)))
    if problems:
        raise DataError(problems)
    return pa.table(columns, schema=schema)
