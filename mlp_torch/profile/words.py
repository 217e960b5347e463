"""What is suspicious about the words of a field: look-alikes, near-unique text, numbers and times in other spellings.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> towns = look("town", pa.array(["Rome", "rome", "Oslo", "Oslo", None, "NA"]))
>>> print(*of_words(towns), sep="\\n")
na_words: "town": words that often stand for missing count as words; 1 of 6 cells; e.g. "NA"; if they mean missing: \
data.fields.town.na_values: ["NA"]
look_alike: "town": words that differ by case, blanks or Unicode form only: each is a value of its own; 2 of 4 words; \
e.g. "Rome (1), rome (1)"; make them one in the file
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlp_torch.errors import MAX_EXAMPLES, quote
from mlp_torch.ingest.block import MAX_CELL_BYTES
from mlp_torch.ingest.cells import matches
from mlp_torch.ingest.kinds.tokens import tokens_of
from mlp_torch.ingest.notice import MAX_WORDS, twins
from mlp_torch.ingest.policies import setting
from mlp_torch.profile.facts import FEW, HUGE, NA_WORDS, ZEROS, Facts, counted
from mlp_torch.profile.finding import Finding
from mlp_torch.profile.forms import (
    FRACTIONS,
    ISO,
    OTHER_NUMBER,
    PLAIN_NUMBERS,
    TIMES,
    day_and_month,
    no_days,
    time_forms,
)
from mlp_torch.profile.stands_for import stands_for

# text that is no category
FORMS = ("prose", "members", "json", "image_files", "other_times", "mixed_dates", "other_numbers", "decimal_comma")
CONTENTS = {
    "images": "paths of image files, which mlp_torch.representation.images.Image reads",
    "maps": "maps from names to numbers in JSON, which mlp_torch.representation.maps.HashedMap takes",
    "vectors": "lists of numbers in JSON, which mlp_torch.representation.vectors.Vector takes",
    "lists": "lists of words in JSON, which mlp_torch.representation.sets.Set takes from Parquet alone; in text it "
    "takes members with a mark between them, a|b",
}
STRANGERS = 5  # so many distinct words among numbers are marks rather than codes
MOST = 0.95  # share of the cells that makes a field one of numbers or times, in whatever spelling
MARKS = ("|", ";", ",")  # between the members of a cell
MARKED, VARIED = 0.2, 0.05  # shares of the words with a mark, and with one number of members
MEMBER_LENGTH = 40  # characters
SAMPLE, TITLE_BLANKS = 2000, 2  # texts that are cut into words, and blanks that a title has on average
PROSE_LENGTH, PROSE_BLANKS = 50, 5  # characters and blanks of a cell, on average


def of_words(facts: Facts) -> Iterator[Finding]:
    """The findings of a text field."""
    words = counted(facts.values)
    if not words:
        return
    if facts.why in (HUGE, ZEROS):
        code = "huge_integers" if facts.why == HUGE else "leading_zeros"
        yield Finding(code, (facts.name,), f"read as text: {facts.why}", examples=tuple(words)[:MAX_EXAMPLES])
    else:
        yield from other_form(facts, words)
    odd = {word: words[word] for word in NA_WORDS if word in words}
    if odd:
        text = "words that often stand for missing count as words"
        listed = ", ".join(map(quote, [*facts.na, *odd]))
        advice = f"if they mean missing: {setting(facts.name, {'na_values': f'[{listed}]'}, mark=': ')}"
        count = sum(odd.values())
        yield Finding("na_words", (facts.name,), text, count, facts.rows, "cells", tuple(odd), advice)
    yield from alike(facts, words)
    yield from padded(facts, words)
    yield from too_long(facts, words)


def too_long(facts: Facts, words: Mapping[str, int]) -> Iterator[Finding]:
    """Cells that the validator refuses."""
    long = [word for word in words if len(word) > MAX_CELL_BYTES // 4 and len(word.encode()) > MAX_CELL_BYTES]
    if long:
        text = f"cells of more than {MAX_CELL_BYTES:,} bytes, which training refuses"
        count = sum(words[word] for word in long)
        advice = "data.source.max_cell_bytes"
        yield Finding("cell_too_large", (facts.name,), text, count, facts.rows, "cells", (), advice, loud=True)


def alike(facts: Facts, words: Mapping[str, int]) -> Iterator[Finding]:
    """Words that are probably meant to be one."""
    if len(words) > MAX_WORDS:
        return
    groups = sorted(twins(words), key=lambda group: -sum(words[word] for word in group))
    if groups:
        count = sum(map(len, groups))
        text = "words that differ by case, blanks or Unicode form only: each is a value of its own"
        named = tuple(", ".join(f"{word} ({words[word]:,})" for word in group) for group in groups[:MAX_EXAMPLES])
        advice = "make them one in the file"
        yield Finding("look_alike", (facts.name,), text, count, len(words), "words", named, advice, loud=True)


def padded(facts: Facts, words: Mapping[str, int]) -> Iterator[Finding]:
    """Words with blanks around them, and empty ones."""
    found = [word for word in words if word != word.strip() or not word]
    if found:
        text = "empty cells in quotes, or blanks around a word, are kept as they are"
        count = sum(words[word] for word in found)
        yield Finding("blanks", (facts.name,), text, count, facts.rows, "cells", tuple(found))


def other_form(facts: Facts, words: Mapping[str, int]) -> Iterator[Finding]:
    """Text that is no category: prose, or numbers and times in a spelling that the schema does not read."""
    known = pa.array([word for word in words if word not in NA_WORDS], pa.large_string())
    if not len(known):
        return
    sizes = np.array([words[word] for word in known.to_pylist()])
    total = int(sizes.sum())
    forms = time_forms(known, sizes)
    if sum(forms.values()) > MOST * total:
        yield times(facts, known, forms=forms)
        return
    is_plain = matches(known, PLAIN_NUMBERS[facts.decimal])
    is_spelled = matches(known, OTHER_NUMBER) & matches(known, r"\d")
    if len(words) > FEW and sizes[is_spelled].sum() > MOST * total and (is_spelled & ~is_plain).any():
        yield numbers(facts, known, sizes=np.where(is_plain, 0, sizes))
    elif len(words) > FEW and sizes[is_plain].sum() > total / 2:
        others = tuple(known.filter(pa.array(~is_plain)).to_pylist())
        text = "most cells are numbers; too many others are none, so it is read as text"
        listed = ", ".join(map(quote, others[:MAX_EXAMPLES])) + ", …" * (len(others) > MAX_EXAMPLES)
        advice = f"for a number field: {setting(facts.name, {'na_values': f'[{listed}]'}, mark=': ')}"
        count = int(sizes[~is_plain].sum())
        loud = len(others) <= STRANGERS
        yield Finding("mixed_kinds", (facts.name,), text, count, facts.rows, "cells", others, advice, loud)
    elif len(words) > FEW and (content := stands_for(words)):
        code = "image_files" if content == "images" else "json"
        yield Finding(code, (facts.name,), CONTENTS[content], total, total, "cells", tuple(known[:1].to_pylist()))
    else:
        yield from of_parts(facts, words)


def of_parts(facts: Facts, words: Mapping[str, int]) -> Iterator[Finding]:
    """Text that is made of members or of words."""
    if found := members_in(words):
        text = f"cells of several members, separated by {quote(found.separator)}: {found.distinct:,} of them"
        advice = "mlp_torch.representation.sets.Set has a vector for each"
        yield Finding("members", (facts.name,), text, found.several, len(words), "words", (), advice)
    elif is_prose(facts, words):
        text = f"free text, {mean_length(words):.0f} characters on average: no category"
        advice = "mlp_torch.representation.text.Text has a vector for each of its words"
        yield Finding("prose", (facts.name,), text, len(words), sum(words.values()), "cells differ", (), advice)


class Members(NamedTuple):
    """What cells such as "Action, Drama" hold.

    Args:
        separator: between members.
        distinct: different members.
        most: members of a cell.
        several: words of the field that have more than one member.
    """

    separator: str
    distinct: int
    most: int
    several: int


def members_in(words: Mapping[str, int]) -> Members | None:
    """The members of text that has a separator; None where it has none, or hardly fewer members than words.

    How many members a cell has must vary: "Smith, John" and "Austin, TX" are one value each.

    >>> members_in({"a, b": 5, "b": 3, "a": 9, "a, b, c": 4, "c": 2, "b, c": 1})
    Members(separator=', ', distinct=3, most=3, several=3)
    >>> members_in({"Smith, John": 1, "Doe, Jane": 1})
    """
    for mark in MARKS:
        marked = [word for word in words if mark in word]
        if len(marked) < MARKED * len(words):
            continue
        blanks = sum(word.count(f"{mark} ") for word in marked) / sum(word.count(mark) for word in marked)
        separator = f"{mark} " if blanks > MOST else mark
        cells = [word.split(separator) for word in words]
        members = Counter(member for cell in cells for member in cell)
        varied = [n for n in Counter(map(len, cells)).values() if n >= VARIED * len(cells)]
        is_short = all(len(member) <= MEMBER_LENGTH for member in members)
        if len(varied) > 1 and is_short and 2 * len(members) <= len(words) and 3 * len(members) <= members.total():
            return Members(separator, len(members), max(map(len, cells)), len(marked))
    return None


def members_of(facts: Facts, words: Mapping[str, int]) -> Members | None:
    """The members of a text field's words, where these are seen as such rather than as numbers, times or JSON."""
    is_code = facts.why in (HUGE, ZEROS)
    seen = not is_code and any(finding.code == "members" for finding in other_form(facts, words))
    return members_in(words) if seen else None


def is_prose(facts: Facts, words: Mapping[str, int]) -> bool:
    """Whether cells are sentences, or short texts of words that come again."""
    if len(words) <= max(FEW, facts.rows / 2):
        return False
    is_long = mean_length(words) > PROSE_LENGTH or np.mean([word.count(" ") for word in words]) > PROSE_BLANKS
    return bool(is_long) or repeats(list(words)[:SAMPLE])


def repeats(texts: list[str]) -> bool:
    """Whether texts have three words, each in two of them on average, and not all as many: titles, no names.

    >>> repeats(["a red car", "an old red car", "a red and old hat", "an old car", "a hat"])
    True
    >>> repeats(["Ann Lee", "Ann Ray", "Sue Lee", "Sue Ray"])
    False
    """
    blanks = [text.count(" ") for text in texts]
    if np.mean(blanks) < TITLE_BLANKS or len(set(blanks)) == 1:
        return False
    found = [token for text in texts for token in set(tokens_of(text))]
    return len(found) >= 2 * len(set(found))


def mean_length(words: Mapping[str, int]) -> float:
    """Characters of a cell, on average."""
    return float(np.average([len(word) for word in words], weights=list(words.values())))


def times(facts: Facts, known: pa.Array, *, forms: Mapping[str, int]) -> Finding:
    """Times that are not in the one form that the schema reads."""
    names = sorted(forms, key=lambda name: -forms[name])
    examples = tuple(known.filter(pa.array(matches(known, TIMES[name])))[0].as_py() for name in names)
    told = ", ".join(f"{name}{day_and_month(known.to_pylist(), name)}" for name in names)
    count, advice = sum(forms.values()), f"write them as {ISO}"
    if len(names) > 1:
        text = f"times in {len(names)} forms: {told}{no_days(known.to_pylist())}"
        return Finding("mixed_dates", (facts.name,), text, count, facts.rows, "cells", examples, advice, loud=True)
    if names == [ISO]:
        text = f"times of which too many are none, so it is read as text{no_days(known.to_pylist())}"
        advice = "mend them in the file"
        return Finding("mixed_dates", (facts.name,), text, count, facts.rows, "cells", examples, advice, loud=True)
    text = f"times in another form than {ISO}: {told}"
    return Finding("other_times", (facts.name,), text, count, facts.rows, "cells", examples, advice)


def numbers(facts: Facts, known: pa.Array, *, sizes: NDArray[np.int64]) -> Finding:
    """Numbers in a spelling that the schema does not read; those that it does read have size 0."""
    odd = known.filter(pa.array(sizes > 0))
    mark, count = facts.decimal, int(sizes.sum())
    text = f"numbers in another spelling than -?digits[{mark}digits]"
    if mark == "," and np.mean(matches(odd, FRACTIONS["."])) > MOST:
        code, text = "other_numbers", f"{text}: a decimal point, where the file has decimal commas"
        advice = "write them with a comma, as the file's other numbers"
    elif mark == "." and np.mean(matches(odd, FRACTIONS[","])) > MOST:
        code, text = "decimal_comma", f"{text}: a decimal comma"
        advice = 'data.source.decimal: "," if all numbers of the file have it, else write them with a point'
    else:
        code, advice = "other_numbers", "write them without signs, units and separators of thousands"
    return Finding(code, (facts.name,), text, count, facts.rows, "cells", tuple(odd[:3].to_pylist()), advice)
