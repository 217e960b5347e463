"""The body of a request: strict JSON with `instances`, and `keys` where the caller wants them back.

Keyed prediction (ch. 5): a key is no feature and passes through untouched. Python's own `json` reads the body, since it
alone can be asked what the objects held: faster parsers keep the last of two equal names and take 1e999 as infinity.

>>> parse(b'{"instances": [{"hour": 5}], "keys": ["a"]}')
Payload(instances=[{'hour': 5}], keys=['a'])
>>> parse(b'{"instances": [{"hour": 5, "hour": 6}]}')
Traceback (most recent call last):
mlp_torch.errors.DataError: duplicate_key: column "hour": a name must be there once in an object
"""

import json
import math
import re
from collections import Counter
from typing import Any, NamedTuple

from mlp_torch.errors import MAX_ROWS, DataError, Problem, near

TOP = ("instances", "keys")
MAX_NAME = 1000  # characters
MAX_FIELDS = 10_000
MAX_CELLS = 2**22  # of the table that the instances make
MAX_DIGITS = 4300  # Python reads no longer integer, since that takes quadratic time
KEY_RANGE = range(-(2**63), 2**64)  # what JSON can be written with by the common libraries
SURROGATE = re.compile("[\ud800-\udfff]")


class Payload(NamedTuple):
    """What a caller asks.

    Args:
        instances: raw rows, judged by the model's schema later on.
        keys: one a row, or None.
    """

    instances: list[Any]
    keys: list[str | int] | None


def parse(body: bytes) -> Payload:
    """A body as instances and keys.

    Raises:
        DataError: `empty_body`, `not_utf8`, `not_json`, `not_a_json_number`, `duplicate_key`, `name_too_long`,
            `invalid_unicode`, `too_deep`, `not_an_object`, `unknown_key`, `missing_key`, `not_a_list`, `wrong_key`,
            `wrong_number_of_keys`, `too_many_cells`.
    """
    value = decoded(body)
    if not isinstance(value, dict):
        raise refusal("not_an_object", f"a body must be an object with instances, however: {named(value)}")
    problems = []
    if unknown := tuple(name for name in value if name not in TOP)[:MAX_ROWS]:
        hints = "; ".join(near(name, TOP) for name in unknown)
        problems.append(Problem("unknown_key", f"a body holds instances and keys only; {hints}", unknown))
    if "instances" not in value:
        problems.append(Problem("missing_key", 'a body must hold "instances": [{…}, …]', ("instances",)))
    for name in TOP:
        if name in value and not isinstance(value[name], list):
            problems.append(Problem("not_a_list", f"must be a list, however: {named(value[name])}", (name,)))
    if problems:
        raise DataError(problems)
    payload = Payload(value["instances"], value.get("keys"))
    check_keys(payload)
    check_sizes(payload.instances)
    return payload


def decoded(body: bytes) -> Any:
    """The value that the body's JSON text stands for."""
    if not body.strip():
        raise refusal("empty_body", "a body must be a JSON object, however: it is empty")
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=unique,
            parse_float=fraction,
            parse_int=whole,
            parse_constant=never,
        )
    except UnicodeDecodeError as error:
        raise refusal("not_utf8", f"a body must be UTF-8, however: byte {error.start:,} is none") from None
    except json.JSONDecodeError as error:
        raise refusal("not_json", f"a body must be JSON, however: {error}") from None
    except RecursionError:
        raise too_deep() from None


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are there once and can be written."""
    found = dict(pairs)
    names = [name for name, _ in pairs]
    if pairs and max(map(len, names)) > MAX_NAME:
        raise refusal("name_too_long", f"a name must have at most {MAX_NAME:,} characters")
    if len(found) < len(pairs):
        twice = [printable(name) for name, count in Counter(names).items() if count > 1]
        raise DataError(Problem("duplicate_key", "a name must be there once in an object", tuple(twice[:MAX_ROWS])))
    if not all(name.isascii() for name in names) and (torn := tuple(ascii(name) for name in names if is_torn(name))):
        raise DataError(Problem("invalid_unicode", "text must be Unicode without lone surrogates", torn))
    return found


def fraction(text: str) -> float:
    """A number with a fraction or an exponent; 1e999 is none."""
    value = float(text)
    return value if math.isfinite(value) else never(text)


def whole(text: str) -> int:
    """An integer; whether it fits its field is the schema's matter."""
    return int(text) if len(text) <= MAX_DIGITS else never(text)


def never(text: str) -> Any:
    """Refuses NaN, Infinity and numbers that no float64 holds."""
    raise DataError(Problem("not_a_json_number", "not valid JSON number; null means missing", examples=(text[:200],)))


def check_keys(payload: Payload) -> None:
    """Refuses keys that could not be sent back as they came, or that are not one a row."""
    keys, rows = payload.keys, len(payload.instances)
    if keys is None:
        return
    wrong = [i for i, key in enumerate(keys) if not is_key(key)]
    if wrong:
        found = tuple(ascii(keys[i])[:200] for i in wrong[:3])
        text = "a key must be text without lone surrogates or an integer of 64 bits"
        raise DataError(Problem("wrong_key", text, ("keys",), len(wrong), len(keys), tuple(wrong[:5]), found))
    if len(keys) != rows:
        text = f"there must be as many keys as instances, however: {len(keys):,} keys, {rows:,} instances"
        raise DataError(Problem("wrong_number_of_keys", text, ("keys",)))


def check_sizes(instances: list[Any]) -> None:
    """Refuses rows whose names differ so much that the table they make is far larger than the body."""
    rows = [row for row in instances if isinstance(row, dict)]  # others are refused by the validator, with their row
    names = set().union(*rows)
    if len(names) > MAX_FIELDS or len(names) * len(rows) > MAX_CELLS:
        text = f"there must be at most {MAX_FIELDS:,} fields and {MAX_CELLS:,} cells, however: "
        raise refusal("too_many_cells", text + f"{len(rows):,} rows with {len(names):,} fields in all")


def is_key(key: object) -> bool:
    """Whether a value can be sent back as it came."""
    if isinstance(key, str):
        return key.isascii() or not is_torn(key)
    return isinstance(key, int) and not isinstance(key, bool) and key in KEY_RANGE


def is_torn(text: str) -> bool:
    """Whether text holds a lone surrogate, which has no UTF-8."""
    return SURROGATE.search(text) is not None


def printable(text: str) -> str:
    """Text that can be written, whatever it held."""
    return ascii(text) if is_torn(text) else text


def named(value: object) -> str:
    """What JSON calls the type of a value."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def too_deep() -> DataError:
    """The refusal of lists in lists in lists; no field is nested."""
    return refusal("too_deep", "a body must not be nested deeper than rows of values, however: it is far deeper")


def refusal(code: str, text: str) -> DataError:
    """An error that is not about rows."""
    return DataError(Problem(code, text))
