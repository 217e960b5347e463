"""Problems in the words of a caller, who can change rows but not the configuration that the model was trained by.

>>> str(for_callers(Problem("not_a_number", "text", ("age",), key="data.fields.age.invalid")))
'not_a_number: column "age": text'
"""

from dataclasses import replace

from mlp_torch.errors import Problem

COMMA, POINT = "a decimal comma needs data.source.decimal: ','", "numbers have a decimal point"
EMPTY, NULL = '"" means missing with na_values: [""]', "null means missing"


def for_callers(problem: Problem) -> Problem:
    """A problem without the keys of a training's configuration."""
    key = None if problem.key and problem.key.removeprefix("'").startswith("data.") else problem.key
    return replace(problem, key=key, text=problem.text.replace(COMMA, POINT).replace(EMPTY, NULL))
