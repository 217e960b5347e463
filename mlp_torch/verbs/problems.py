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
from mlp_torch.verbs.options import Options

KEY = re.compile(r"data\.source\.(\w+):?")


@contextmanager
def in_options(options: Options) -> Iterator[None]:
    """Names a verb's options instead of the keys of `data.source` that they set; other keys stay."""
    try:
        yield
    except DataError as error:
        raise DataError([worded(problem, options) for problem in error.problems]) from None
    except ConfigError as error:
        raise type(error)(told(str(error), options)) from None


def worded(problem: Problem, options: Options) -> Problem:
    """A problem with a verb's options in it."""
    return replace(problem, text=told(problem.text, options), key=problem.key and told(problem.key, options))


def told(text: str, options: Options) -> str:
    """A text with a verb's options in it."""
    known = {flag for action in options._actions for flag in action.option_strings}
    return KEY.sub(lambda key: flag if (flag := f"--{key[1]}") in known else key[0], text)
