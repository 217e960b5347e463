"""Problems told in a verb's own words: its option in the place of the configuration's key.

>>> options = Options("init", "")
>>> _ = options.add_argument("--delimiter")
>>> with in_options(options):
...     raise DataError(Problem("wrong_delimiter", "one column", key="data.source.delimiter"))
Traceback (most recent call last):
mlp_torch.errors.DataError: wrong_delimiter: one column; policy: --delimiter
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from mlp_torch.errors import ConfigError, DataError, Problem
from mlp_torch.ingest.policies import is_policy
from mlp_torch.serving.refusal import for_callers
from mlp_torch.verbs.options import Options

KEY = re.compile(r"data\.source\.(\w+):?")
DOUBLE = re.compile(r'(?<=--delimiter )"(.+)"')  # of YAML, which a shell would read otherwise
SKIP = "--on-bad"


@contextmanager
def in_options(options: Options, *, trained: bool = False) -> Iterator[None]:
    """Names a verb's options instead of the keys of `data.source` that they set; other keys stay.

    Args:
        options: the verb's.
        trained: whether a trained model judges: its other keys cannot be set any more, and are left out.
    """
    try:
        yield
    except DataError as error:
        raise DataError([worded(problem, options, trained=trained) for problem in error.problems]) from None
    except ConfigError as error:
        raise type(error)(told(str(error), options)) from None


def worded(problem: Problem, options: Options, *, trained: bool = False) -> Problem:
    """A problem with a verb's options in it, of a trained model without keys that nobody can set any more."""
    found = replace(problem, text=told(problem.text, options), key=problem.key and told(problem.key, options))
    if not trained:
        return found
    skipped = SKIP in options.flags and found.key and is_policy(found.key)
    return for_callers(replace(found, key=f"{SKIP} skip leaves such rows out") if skipped else found)


def told(text: str, options: Options) -> str:
    """A text with a verb's options in it."""
    known = options.flags
    found = KEY.sub(lambda key: flag if (flag := f"--{key[1]}") in known else key[0], text)
    return found if found == text else DOUBLE.sub(r"$'\1'" if "\\t" in found else r"'\1'", found)
