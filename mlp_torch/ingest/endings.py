"""What a file's ending says of its rows, and what to do with a file that no reader takes.

It needs no torch: a path that is mistyped is told in a moment.

>>> kind_of("rows.TSV")
'tsv'
"""

from pathlib import Path
from typing import Literal

from mlp_torch.errors import DataError, Problem
from mlp_torch.ingest.parquet_files import ENDINGS, shards

READERS = (".csv", ".tsv", *ENDINGS)
REMEDIES = {
    **dict.fromkeys(
        (".db", ".sqlite", ".sqlite3"),
        "a database needs a query: data.source: {_target_: mlp_torch.ingest.source.Sql, query: SELECT …, database: …}",
    ),
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".zip"), "unpack it first, by gunzip -k for example"),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "save the sheet as CSV UTF-8 in the program that wrote it"),
    **dict.fromkeys(
        (".json", ".jsonl", ".ndjson"),
        "write its rows as Parquet, for example pyarrow.parquet.write_table(pyarrow.json.read_json(…), …)",
    ),
    **dict.fromkeys(
        (".arrow", ".feather"),
        "write its rows as Parquet, for example pyarrow.parquet.write_table(pyarrow.feather.read_table(…), …)",
    ),
    **dict.fromkeys((".txt", ".dat"), "if it holds cells and delimiters, call it .csv and set data.source.delimiter"),
}


def kind_of(path: str | Path) -> Literal["csv", "tsv", "parquet"]:
    """What a path's ending asks for; a folder is one of Parquet shards.

    Raises:
        DataError: `no_file`; `unknown_format`, with what to do where that is known.
    """
    ending = Path(path).suffix.lower()
    if ending == ".csv":
        return "csv"
    if ending == ".tsv":
        return "tsv"
    if ending in ENDINGS or Path(path).is_dir():
        return "parquet"
    taken = f"in one of {', '.join(READERS)}"
    if not ending and not Path(path).exists():  # perhaps a folder's name
        text = f"{path} is missing; a table is a file that ends {taken}, or a folder of Parquet files"
        raise DataError(Problem("no_file", text))
    remedy = f"; {REMEDIES[ending]}" if ending in REMEDIES else ""
    raise DataError(Problem("unknown_format", f"a file must end {taken}, however: {path}{remedy}"))


def check_there(path: Path) -> None:
    """Refuses a path without rows to read. Raises DataError as `kind_of`; `no_file`, `empty_file`, `not_a_shard`."""
    kind_of(path)
    shards(path)
