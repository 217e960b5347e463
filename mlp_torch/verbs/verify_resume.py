"""`mlp_torch verify-resume`: proves that runs which are stopped anywhere end with the bits of those that are not."""

import logging
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from mlp_torch.configuration import check_targets, composed, options
from mlp_torch.errors import ConfigError, UserError
from mlp_torch.overrides import key_of, opened
from mlp_torch.stages.configured import check as check_stages
from mlp_torch.verbs.options import Options, count

EXAMPLES = """examples:
  mlp_torch verify-resume experiment=quickstart              from the checkpoint of each of 40 steps
  mlp_torch verify-resume --all                              of each experiment there is
  mlp_torch verify-resume experiment=quickstart --kills 300  real processes, killed at random moments
"""


def main(arguments: list[str]) -> int:
    """0 where every run ended with the same bits, 1 where one did not."""
    parser = Options("verify-resume", __doc__.partition(": ")[2], epilog=EXAMPLES)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for train; experiment=NAME first of all")
    parser.add_argument("--all", action="store_true", help="every experiment, one after the other")
    parser.add_argument("--steps", type=count, default=40, help="optimizer steps of an experiment's short version")
    parser.add_argument("--kills", type=count, help="kill real processes so often instead")
    parser.add_argument("--config-dir", type=Path, help="a folder with groups of one's own")
    chosen = parser.parse(arguments)
    overrides = [opened(text) for text in chosen.overrides]
    named = any(key_of(text) == "experiment" for text in overrides)
    if chosen.all == named:
        raise ConfigError("verify-resume needs either --all or experiment=NAME")
    experiments = sorted(options(chosen.config_dir)["experiment"]) if chosen.all else [""]
    wanted = [[*overrides, *([f"experiment={name}"] if name else [])] for name in experiments]
    if chosen.kills:
        return kills(wanted, chosen.config_dir, number=chosen.kills)
    return every_step(wanted, chosen.config_dir, steps=chosen.steps)


def every_step(wanted: list[list[str]], config_dir: Path | None, *, steps: int) -> int:
    """A line an experiment; 1 where one of them was not exact."""
    from mlp_torch.resuming.every_step import verify  # torch takes seconds
    from mlp_torch.run import quiet

    quiet()
    logging.getLogger("mlp_torch").setLevel(logging.ERROR)
    print(
        f"{'experiment':<24}{'steps':>6}{'resumed':>9}{'the same':>10}  {'another seed':<14}{'seconds':>8}", flush=True
    )
    failed = []
    for overrides in wanted:
        name = next(text.partition("=")[2] for text in overrides if key_of(text) == "experiment")
        with TemporaryDirectory() as folder:
            try:
                cfg = composed(overrides, config_dir)
                check_targets(cfg)
                check_stages(cfg)
                found = verify(cfg, Path(folder), steps=steps)
            except UserError as error:
                print(f"{name:<24}{error.told()}", flush=True)
                failed.append(name)
                continue
        same = found.resumed - len(found.differing)
        control = "differs" if found.control else "is the same!"
        print(f"{name:<24}{found.steps:>6}{found.resumed:>9}{same:>10}  {control:<14}{found.seconds:>8.0f}", flush=True)
        for number, lines in found.differing.items():
            print(f"  stopped after save {number}: {'; '.join(lines)}", flush=True)
        failed += [] if found.is_exact else [name]
    if failed:
        print(f"\nnot exact: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def kills(wanted: list[list[str]], config_dir: Path | None, *, number: int) -> int:
    """A table an experiment; 1 where a run did not end with the same bits."""
    from mlp_torch.resuming.kills import Killed, killed

    is_exact = True
    for overrides in wanted:
        cfg = composed(overrides, config_dir)  # what is wrong with them is told before processes are started
        short = ["model.cycle=1"] if "cycle" in cfg.model else []  # of the few epochs
        arguments = [*(["--config-dir", str(config_dir)] if config_dir else []), *overrides, *short]
        with TemporaryDirectory() as folder:
            found: Killed = killed(arguments, Path(folder), kills=number, tell=partial(print, flush=True))
        print(found.table(), flush=True)
        is_exact &= found.is_exact
    return 0 if is_exact else 1
