"""`mlp_torch predict --model DIR --input ROWS --output OUT.parquet`: a model on a table of any size.

Rows are read as the training rows were, where those came from a file of the same kind, unless options say otherwise.
"""

from pathlib import Path

from mlp_torch.ingest.endings import check_there
from mlp_torch.serving.outputs import check_output
from mlp_torch.verbs.options import PINNED, Options, check_model, checksum, count
from mlp_torch.verbs.problems import in_options

EPILOG = """\
A run that was killed goes on when the same command is given again: blocks that are done wait in OUT.unfinished.
Rows that cannot be scored are an error, told of all at once; with --on-bad skip they go to OUT.skipped.parquet, with
the reason. --key hands a column on to the output; without one, rows are numbered as in the input. A key that is there
twice is an error; with --on-bad skip the first row that can be scored is answered and the later ones are skipped
(reason repeated_key); --repeated-keys keep answers each."""


def main(arguments: list[str]) -> int:
    """Scores the rows and prints what came of them."""
    options = Options("predict", "Score the rows of a file with a model, in bounded memory.", epilog=EPILOG)
    options.add_argument("--model", required=True, metavar="DIR", help="the model's folder")
    options.add_argument("--input", required=True, metavar="ROWS", help=".csv, .tsv, .parquet, or a folder of .parquet")
    options.add_argument("--output", required=True, metavar="OUT", help="the .parquet file to write; no other format")
    options.add_argument("--key", metavar="COLUMN", help="a column to hand on, by which rows are known")
    options.add_argument("--repeated-keys", choices=("error", "keep"), default="error", help="keep answers each row")
    options.add_argument("--on-bad", choices=("error", "skip"), default="error", help="what becomes of bad rows")
    options.add_argument("--processes", type=count, default=1, help="that score, with one thread each")
    options.add_argument("--delimiter", help="of a CSV; by default as in training")
    options.add_argument("--encoding", help="of a CSV; by default as in training")
    options.add_argument("--decimal", help="of a CSV's numbers; by default as in training")
    options.add_argument("--sha256", type=checksum, metavar="HEX", help=PINNED)
    options.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")
    options.add_argument("--no-progress", action="store_true", help="show no bar, and in a log no lines")
    chosen = options.parse(arguments)
    check_model(chosen.model, chosen.sha256)
    check_there(Path(chosen.input))
    check_output(Path(chosen.output), Path(chosen.input))
    import torch  # here, so that --help and mistyped paths do without

    from mlp_torch.serving.batch import predict
    from mlp_torch.serving.scorer import Policies
    from mlp_torch.verbs.rows import reader, reading, trained

    torch.set_num_threads(1)  # as in worker processes: the same bits, whatever the number of either
    with in_options(options, trained=True):
        scored = predict(
            Path(chosen.model),
            reader(Path(chosen.input), trained(Path(chosen.model)), reading(chosen)),
            Path(chosen.output),
            policies=Policies(chosen.key, chosen.repeated_keys, chosen.on_bad),
            processes=chosen.processes,
            overwrite=chosen.overwrite,
            progress=not chosen.no_progress,
        )
    print(scored.text() if scored else f"{chosen.output} is finished; nothing was changed")
    return 0
