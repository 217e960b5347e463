"""`mlp_torch profile FILE`: what a table holds and what is suspicious about it, printed and as one HTML file."""

from pathlib import Path

from mlp_torch.errors import ConfigError
from mlp_torch.ingest.endings import check_there
from mlp_torch.verbs.options import Options
from mlp_torch.verbs.problems import in_options


def main(arguments: list[str]) -> int:
    """Reads, prints, writes; 0 = written."""
    options = Options("profile", "Shows what a table holds and what is suspicious about it; writes one HTML file.")
    options.add_argument("table", metavar="FILE", help="a .csv, .tsv or .parquet file with a header")
    options.add_argument("--target", metavar="FIELD", help="the field to predict: looks for what gives it away")
    options.add_argument("--output", metavar="HTML", help="by default the file's name with .html, in this folder")
    options.add_argument("--encoding", help="of a CSV file's text, e.g. cp1252; by default UTF-8")
    options.add_argument("--delimiter", help="of a CSV file; by default found in it")
    options.add_argument("--decimal", help="of a CSV file's numbers, . or a comma; by default found in it")
    given = options.parse(arguments)
    check_there(Path(given.table))
    from mlp_torch.profile import page  # here, so that --help and mistyped paths need no torch
    from mlp_torch.profile.report import report_of
    from mlp_torch.profile.source import opened
    from mlp_torch.profile.table import printed
    from mlp_torch.verbs.rows import reading

    path = free(Path(given.output or f"{Path(given.table).stem}.html"))
    with in_options(options):
        table = opened(given.table, **reading(given))
    report = report_of(
        table.columns,
        target=given.target,
        name=given.table,
        decimal=table.decimal,
        notes=tuple(table.notes),
        places=table.places,
    )
    print(printed(report))
    page.write(path, report)
    print(f"\nwrote {path}")
    return 0


def free(path: Path) -> Path:
    """A path where no file is but an earlier report.

    Raises:
        ConfigError: if another file is there.
    """
    from mlp_torch.profile import page

    if path.is_dir():
        raise ConfigError(f"--output must be a file, however: {path} is a folder")
    if path.is_file() and f'name="generator" content="{page.GENERATOR}"'.encode() not in path.read_bytes()[:4096]:
        raise ConfigError(f"{path} is there already and is no report; nothing was written. Give another --output")
    return path
