"""Warnings on what is legal but suspicious: constant, like an id, look-alike words, beyond the training range, blanked.

>>> words = pa.array(["JFK", "jfk", "LGA"], pa.large_string())
>>> look_alikes(words)
2
"""

import unicodedata
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from mlp_torch.errors import how_many, quote
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.fingerprint import words_in
from mlp_torch.ingest.kinds.read import KINDS
from mlp_torch.ingest.reads import Read

ID_ROWS, ID_SHARE = 100, 0.99
VERBATIM = ("string", "set", "map_keys")  # kinds whose words count as they stand
MOST_NAMES = 10  # of fields in one line
NUMBER = "number read as text"  # how `cells` counts a number that is a category
BLANK = " read as missing"  # behind the reason, how `checks` and `cells` count a cell that held something
DECLARED = f"na_values{BLANK}"
MAX_WORDS = 100_000  # look-alikes are sought among so many words at most
TIMES, SHARE = 10, 0.01  # a field is suspicious from so many times the training's share of blanked cells, and from 1 %


def notices(arrays: Mapping[str, pa.Array], reads: Mapping[str, Read]) -> list[str]:
    """A sentence for each suspicion about the columns of a training table."""
    return told((reads[key], array) for key, array in arrays.items())


def told(columns: Iterable[tuple[Read, pa.Array]]) -> list[str]:
    """The same of columns that come one by one; a field that is read twice is told once."""
    return list(dict.fromkeys(sentence for item, array in columns for sentence in suspicions(item, array)))


def suspicions(item: Read, array: pa.Array) -> list[str]:
    """What a training column should not be."""
    here, n = f'column "{item.field}"', len(array)
    found = []
    if n > 1 and is_constant(array):
        found.append(f"constant: {here} has the same value in all {n:,} rows and can tell nothing")
    if item.kind not in VERBATIM or (members := KINDS[item.kind].members(array)) is None:
        return found
    words, cells = words_in(members), n if item.kind == "string" else len(members)
    if cells >= ID_ROWS and len(words) >= ID_SHARE * cells:
        where = "rows" if item.kind == "string" else "places"
        found.append(f"id_like: {here} has {len(words):,} values in {cells:,} {where}: an id can only be memorised")
    if item.kind == "set" and len(members) >= ID_ROWS and (pc.max(pc.list_value_length(array)).as_py() or 0) <= 1:
        mark = quote(item.separator)
        found.append(f"one_member: {here} has no cell with more than one member; is {mark} what stands between them?")
    if len(words) <= MAX_WORDS and (alike := look_alikes(words)):
        found.append(
            f"look_alike: {here} has {alike:,} words that differ by case, blanks or Unicode form only; each is a "
            "value of its own"
        )
    return found


def is_constant(array: pa.Array) -> bool:
    """Whether all cells hold the same; the first ones tell it, as a rule."""
    if pa.types.is_nested(array.type):  # which Arrow knows no distinct values of: each cell is as the next one
        return bool(array.slice(0, len(array) - 1).equals(array.slice(1)))
    return len(array.slice(0, 1000).unique()) == 1 and len(array.unique()) == 1


def look_alikes(words: pa.Array) -> int:
    """How many words have a twin that differs only by case, blanks or Unicode form."""
    return sum(len(group) for group in twins(words.to_pylist()))


def twins(words: Iterable[str]) -> list[list[str]]:
    """The groups of words that differ only by case, blanks or Unicode form.

    >>> twins(["Rome", "Oslo", "rome "])
    [['Rome', 'rome ']]
    """
    groups: dict[str, list[str]] = {}
    for word in words:
        groups.setdefault(folded(word), []).append(word)
    return [group for group in groups.values() if len(group) > 1]


def folded(word: str) -> str:
    """A word without case, blanks and Unicode form."""
    plain = word if word.isascii() else unicodedata.normalize("NFKC", word)
    return " ".join(plain.casefold().split())


def changes(changed: Mapping[str, int]) -> list[tuple[str, str]]:
    """What was read as something else, as a verb and what it was done to; numbers as categories in one line.

    They are counted like all changes, but a whole number is a legal category, and its type says so in every cell.

    >>> changes({"age: not_a_number read as missing": 2, "hour: number read as text": 9, "day: number read as text": 9})
    [('changed', '2 cells: age: not_a_number read as missing'), ('read', 'numbers as categories: hour, day')]
    """
    legal = [what.removesuffix(f": {NUMBER}") for what in changed if what.endswith(f": {NUMBER}")]
    told = [
        ("changed", f"{how_many(n, 'cell')}: {what}") for what, n in changed.items() if not what.endswith(f": {NUMBER}")
    ]
    more = f", … and {len(legal) - MOST_NAMES:,} more" if len(legal) > MOST_NAMES else ""
    return told + ([("read", f"numbers as categories: {', '.join(legal[:MOST_NAMES])}{more}")] if legal else [])


def blanks(changed: Mapping[str, int]) -> dict[str, int]:
    """By field, how many cells held something and were read as missing.

    >>> blanks({"day: not_a_time read as missing": 2, "day: na_values read as missing": 1})
    {'day': 3}
    """
    found: dict[str, int] = {}
    for what, count in changed.items():
        if what.endswith(BLANK):
            name = what.rpartition(": ")[0]
            found[name] = found.get(name, 0) + count
    return found


def rewritten(changed: Mapping[str, int], rows: int, *, unreadable: bool = False) -> list[str]:
    """A sentence for each way in which cells of a field were read as something else, but for numbers as categories.

    Args:
        changed: cells by field and way, as the validator counts them.
        rows: how many there are.
        unreadable: whether to tell only of cells that `invalid: missing` blanked, not of those that `na_values` lists.

    >>> rewritten({"day: not_a_time read as missing": 2}, 9)
    ['changed: column "day": not_a_time read as missing in 2 of 9 rows']
    """
    parts = [(*what.rpartition(": ")[::2], count) for what, count in changed.items()]
    return [
        f"changed: column {quote(name)}: {how} in {count:,} of {rows:,} rows"
        for name, how, count in parts
        if how != NUMBER and not (unreadable and (how == DECLARED or not how.endswith(BLANK)))
    ]


def blanked(changed: Mapping[str, int], fields: Mapping[str, Field], rows: int) -> list[str]:
    """A sentence for each field of which far more cells were read as missing than in training, or all of them."""
    found = []
    for name, count in blanks(changed).items():
        known = fields[name].blanked
        if count >= rows or (known is not None and count >= SHARE * rows and count > TIMES * known * rows):
            before = "" if known is None else f", in training {known:.2%} of them"
            found.append(f"WARNING: column {quote(name)}: {count:,} of {rows:,} cells were read as missing{before}")
    return found


def beyond_training(
    arrays: Mapping[str, pa.Array], fields: Mapping[str, Field], reads: Mapping[str, Read]
) -> dict[str, int]:
    """By field, how many numbers no training row comes near: legal, but the model guesses there."""
    found = {}
    for key, array in arrays.items():
        field = fields[reads[key].field]
        if reads[key].kind == "number" and field.low is not None and field.high is not None:
            outside = pc.or_(pc.less(array, field.low), pc.greater(array, field.high))
            found[field.name] = pc.sum(outside).as_py() or 0
    return {name: count for name, count in found.items() if count}


def strangers(counts: Mapping[str, int], fields: Mapping[str, Field], rows: int) -> list[str]:
    """The same in sentences."""
    return [
        f'beyond_training: column "{name}" has {count:,} of {rows:,} rows outside the training range '
        f"[{fields[name].low:g}, {fields[name].high:g}]"
        for name, count in counts.items()
    ]
