"""`mlp_torch compare RUN RUN …`: in what finished runs differ, and whether the difference is more than luck.

RUN's config.yaml is a program: compare only runs that you trust.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp_torch import files
from mlp_torch.errors import ConfigError, printable
from mlp_torch.verbs.options import Options

if TYPE_CHECKING:
    from mlp_torch.evaluation.runs import Run

LONGEST = 40  # characters of a value in a table
EPILOG = """\
Told are: keys of the configuration that differ, rows that differ, metrics of validation and test rows side by side, and
by how much the score of each row differs from the first run's, with 95 % of a paired bootstrap, over the rows that both
have judged. Rows are joined by data.key. An interval on one side of 0 is more than the luck of these rows; the luck of
a seed is another: train -m seed=1,2,3."""


def main(arguments: list[str]) -> int:
    """Prints the differences; `--json` writes them."""
    options = Options("compare", "Compare finished runs: configuration, rows, figures.", epilog=EPILOG)
    options.add_argument("runs", metavar="RUN", nargs="+", help="a run's folder, e.g. runs/quickstart/latest")
    options.add_argument("--json", metavar="FILE", help="where to write the differences")
    chosen = options.parse(arguments)
    if len(chosen.runs) < 2:
        raise ConfigError(f"compare needs two runs or more, however: {chosen.runs[0]} alone")
    from mlp_torch.evaluation.runs import finished  # here, so that --help needs no pyarrow

    runs = [finished(given) for given in chosen.runs]
    places = [os.path.realpath(run.folder) for run in runs]
    if twice := [run.name for run, place in zip(runs, places, strict=True) if places.count(place) > 1]:
        raise ConfigError(f"runs must be different ones, however: {' and '.join(twice)} are the same")
    found = compared(runs)
    if chosen.json:
        files.write_json(Path(chosen.json), found)
    return 0


def compared(runs: "Sequence[Run]") -> dict[str, Any]:
    """Prints all, and gives it as plain values."""
    from mlp_torch.evaluation.paired import difference
    from mlp_torch.evaluation.runs import configurations, data, figures, same_target

    names = [f"run {i}" for i in range(1, len(runs) + 1)]
    for name, run in zip(names, runs, strict=True):
        print(f"{name}  {printable(run.name)}")
    comparable = same_target(runs)
    parts = {
        "configuration": configurations(runs),
        "data": data(runs),
        "figures": figures(runs, comparable=comparable),
    }
    for title, rows in parts.items():
        print(f"\n{title}{'' if rows else ': no difference'}")
        print("\n".join(aligned(names, rows)), end="\n" if rows else "")
    pairs: dict[str, Any] = {}
    if not comparable:
        text = "they predict different targets (data.target), so that neither metrics nor rows can be compared"
        print(f"\n{text}; configuration, data and seconds are above")
    for split, title in (("val", "validation"), ("test", "test")) if comparable else ():
        for name, other in zip(names[1:], runs[1:], strict=True):
            gap = difference(runs[0], other, split)
            print(f"\n{title}, {name} against {names[0]}: " + "\n  ".join(gap.lines(names[0], name)))
            pairs[f"{split}: {name}"] = gap.to_json()
    return {"runs": [run.name for run in runs], **parts, "comparable": comparable, "differences": pairs}


def aligned(names: list[str], rows: dict[str, list[str]]) -> list[str]:
    """A line a row: its name, and each run's value."""
    if not rows:
        return []
    lines = [["", *names], *([printable(key), *map(cut, values)] for key, values in rows.items())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  " + "  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def cut(value: str) -> str:
    """A value that fits into a table."""
    text = printable(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
