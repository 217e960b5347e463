"""The command line: `mlp_torch VERB …`, or `python -m mlp_torch VERB …`. A verb is a file of `mlp_torch/verbs`."""

import errno
import os
import sys
from importlib import import_module

from mlp_torch.errors import UserError, near

VERBS = {
    "profile": "show what a table holds and what is suspicious about it",
    "init": "look at a table and write an experiment for it",
    "validate": "judge a file as training or serving would, and tell every problem",
    "train": "train an experiment, or resume a run",
    "verify-resume": "prove that stopped runs end with the bits of those that were not stopped",
    "evaluate": "score a model on labelled rows, beside the baseline",
    "compare": "tell in what finished runs differ, and whether that is more than luck",
    "predict": "score a table of any size, from file to file",
    "serve": "answer requests with a model",
    "neighbours": "show which words an embedding has learned to be alike",
    "data": "bring the real data sets of the examples onto this machine",
}
USAGE = "usage: mlp_torch VERB …\n\n" + "\n".join(f"  {verb:<14} {what}" for verb, what in VERBS.items())


def main(argv: list[str] | None = None) -> int:
    """Runs a verb; 0 = done, 2 = the user can mend it, 130 = interrupted, 141 = nobody reads."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE + "\n\n`mlp_torch VERB --help` tells more.")
        return 0 if arguments else 2
    verb, *rest = arguments
    if "" not in sys.path:
        sys.path.insert(0, "")  # columns and heads of one's own lie beside the configuration that names them
    if verb not in VERBS:
        print(f"mlp_torch: no such verb: {verb}; {near(verb, VERBS)}", file=sys.stderr)
        return 2
    try:
        return int(import_module(f"mlp_torch.verbs.{verb.replace('-', '_')}").main(rest))
    except UserError as error:
        print(f"\n{error.told()}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `… | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        return 141
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        print(f"\na path's name must be shorter, however: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
