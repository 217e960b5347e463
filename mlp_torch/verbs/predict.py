"""`mlp_torch predict --model DIR --input ROWS --output OUT.parquet`: a model on a table of any size.

Rows are read as the training rows were, where those came from a file of the same kind, unless options say otherwise.
"""

from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]  # ships no types

from mlp_torch.errors import ModelError
from mlp_torch.ingest.source import Csv, Parquet, source
from mlp_torch.serving.batch import predict
from mlp_torch.serving.scorer import Policies
from mlp_torch.verbs.options import Options, count

READING = ("delimiter", "encoding", "decimal", "max_cell_bytes")
EPILOG = """\
A run that was killed goes on when the same command is given again: blocks that are done wait in OUT.unfinished.
Rows that cannot be scored are an error, told of all at once; with --on-bad skip they go to OUT.skipped.parquet, with
the reason. --key hands a column on to the output; without one, rows are numbered as in the input."""


def main(arguments: list[str]) -> int:
    """Scores the rows and prints what came of them."""
    options = Options("predict", "Score the rows of a file with a model, in bounded memory.", epilog=EPILOG)
    options.add_argument("--model", required=True, metavar="DIR", help="the model's folder")
    options.add_argument("--input", required=True, metavar="ROWS", help=".csv, .tsv, .parquet, or a folder of .parquet")
    options.add_argument("--output", required=True, metavar="OUT", help="the .parquet file to write")
    options.add_argument("--key", metavar="COLUMN", help="a column to hand on, by which rows are known")
    options.add_argument("--repeated-keys", choices=("error", "keep"), default="error", help="keep answers each row")
    options.add_argument("--on-bad", choices=("error", "skip"), default="error", help="what becomes of bad rows")
    options.add_argument("--processes", type=count, default=1, help="that score, with one thread each")
    options.add_argument("--delimiter", help="of a CSV; by default as in training")
    options.add_argument("--encoding", help="of a CSV; by default as in training")
    options.add_argument("--decimal", help="of a CSV's numbers; by default as in training")
    options.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")
    options.add_argument("--no-progress", action="store_true", help="show no bar; without a terminal there is none")
    chosen = options.parse(arguments)
    given = {name: value for name, value in vars(chosen).items() if name in READING and value is not None}
    torch.set_num_threads(1)  # as in worker processes: the same bits, whatever the number of either
    scored = predict(
        Path(chosen.model),
        reader(Path(chosen.input), Path(chosen.model), given),
        Path(chosen.output),
        policies=Policies(chosen.key, chosen.repeated_keys, chosen.on_bad),
        processes=chosen.processes,
        overwrite=chosen.overwrite,
        progress=not chosen.no_progress,
    )
    print(scored.text() if scored else f"{chosen.output} is finished; nothing was changed")
    return 0


def reader(path: Path, model: Path, given: dict[str, Any]) -> Csv | Parquet:
    """The input's reader."""
    by_ending = source(path)
    known = trained(model / "config.yaml", by_ending)
    if isinstance(by_ending, Csv):
        return Csv(path, **{"delimiter": by_ending.delimiter, **known, **given})
    return Parquet(path, **known)


def trained(path: Path, reader: Csv | Parquet) -> dict[str, Any]:
    """How the training rows were read, if by a reader of this kind; of a CSV, if its file had the same ending.

    Raises:
        ModelError: if the file is no YAML.
    """
    if not path.is_file():
        return {}
    try:
        known = yaml.safe_load(path.read_text(encoding="utf-8"))["data"]["source"]
        module, _, kind = known["_target_"].rpartition(".")
        if not module.startswith("mlp_torch.") or kind.lower() != type(reader).__name__.lower():
            return {}
        if isinstance(reader, Parquet):
            return {name: known[name] for name in ("max_cell_bytes",) if name in known}
        same = Path(known["path"]).suffix.lower() == reader.path.suffix.lower()
        return {name: known[name] for name in READING if name in known} if same else {}
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} must be a run's configuration, however: {error!r}") from None
