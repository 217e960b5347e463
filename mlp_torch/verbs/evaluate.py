"""`mlp_torch evaluate --model DIR --input FILE`: a model on labelled rows, beside the constant of its training rows.

DIR's config.yaml and model.pt are programs: evaluate only models that you trust.
"""

from pathlib import Path

from mlp_torch import files
from mlp_torch.errors import ConfigError
from mlp_torch.ingest.endings import check_there
from mlp_torch.verbs.options import PINNED, Options, check_device, check_model, checksum
from mlp_torch.verbs.problems import in_options

EPILOG = """\
--by FIELD cuts the rows by any field of FILE, read by the model or not: each category, quantiles of numbers, months of
times (weekdays, if they span two months or less), missing cells. Slices are judged by all metrics and ordered by one,
the worst first, with its 95 % bootstrap interval; the 20 rows that the model is most wrong about come last."""


def main(arguments: list[str]) -> int:
    """Prints the figures; `--json` writes them."""
    options = Options(
        "evaluate", "Score a model on labelled rows, beside the constant of its training rows.", epilog=EPILOG
    )
    options.add_argument("--model", required=True, metavar="DIR", help="the model's folder")
    options.add_argument("--input", required=True, metavar="FILE", help="labelled rows: .csv, .tsv or .parquet")
    options.add_argument(
        "--by", action="append", metavar="FIELD", help="metrics by slice of a field too; may be given again"
    )
    options.add_argument("--metric", metavar="NAME", help="which orders slices; by default the first that can")
    options.add_argument("--json", metavar="FILE", help="where to write the figures")
    options.add_argument(
        "--allow",
        action="append",
        metavar="NAME",
        help="a class of yours that DIR's config.yaml may name; again for more",
    )
    options.add_argument("--sha256", type=checksum, metavar="HEX", help=PINNED)
    options.add_argument("--device", default="cpu", help="where the model runs: cpu, cuda, cuda:1")
    chosen = options.parse(arguments)
    if chosen.metric and not chosen.by:
        raise ConfigError(f"--metric orders slices, which need --by FIELD, however: --metric {chosen.metric} alone")
    check_model(chosen.model, chosen.sha256)
    check_there(Path(chosen.input))
    check_device(chosen.device)
    from mlp_torch.evaluation.evaluation import evaluate  # here, so that --help and mistyped paths need no torch

    with in_options(options, trained=True):
        model, rows = Path(chosen.model), Path(chosen.input)
        found = evaluate(
            model, rows, device=chosen.device, by=chosen.by or (), metric=chosen.metric, allow=chosen.allow or ()
        )
    print(found.text())
    if chosen.json:
        files.write_json(Path(chosen.json), found.to_json())
    return 0
