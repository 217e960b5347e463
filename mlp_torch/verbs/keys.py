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
    known = {flag for action in options._actions for flag in action.option_strings}

    def told(text: str) -> str:
        return KEY.sub(lambda key: flag if (flag := f"--{key[1]}") in known else key[0], text)

    def put(problem: Problem) -> Problem:
        return replace(problem, text=told(problem.text), key=problem.key and told(problem.key))

    try:
        yield
    except DataError as error:
        raise DataError([put(problem) for problem in error.problems]) from None
    except ConfigError as error:
        raise type(error)(told(str(error))) from None
