"""Columns of fields whose cells hold several values: sentences, members with a separator, lists, maps, vectors, files.

What training would refuse, its own reader tells: few such cells are missing by policy, more leave the field out.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> genres = look("genre", pa.array([["Drama"], ["Drama", "Crime"], None] * 20))
>>> [entry.node for entry in of_type(genres).entries]
[{'_target_': 'mlp_torch.representation.sets.Set', 'field': 'genre'}]
"""

import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from mlp_torch.ingest.cells import Cells, is_text
from mlp_torch.ingest.clauses import rule_of
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.kinds.image import file_bytes, is_bytes
from mlp_torch.ingest.kinds.read import read
from mlp_torch.ingest.kinds.rows import lists_of, ragged
from mlp_torch.ingest.kinds.tokens import tokens_of, word_lists
from mlp_torch.ingest.kinds.vector import LISTS, parsed
from mlp_torch.ingest.reads import Read
from mlp_torch.profile.facts import NA_WORDS, Facts, counted
from mlp_torch.profile.shapes import column_for
from mlp_torch.profile.stands_for import RARE, stands_for
from mlp_torch.profile.words import CONTENTS, members_in
from mlp_torch.proposal.entry import Entry, node_of

TEXTS, IN_TEXTS = 1000, 10  # of so many texts so many must share a word, else there is none to learn
MOST_WORDS = 256  # of a text
MEMBERS, NAMES = 8, 64  # what Set and HashedMap read of a cell where nothing is said
MOST = 4096  # members or names of a cell
SMALLEST, PIXELS = 8, 64  # of a side of a picture, where the files have fewer or more
TRIED = 100  # files among which one must be a picture
PICTURES = "pictures, for which the next line has a small network that learns with the rest, and takes its time"


class Several(NamedTuple):
    """What becomes of cells that hold several values.

    Args:
        entries: the columns; none for a field that is something else.
        reason: why they are not taken, or "".
        policy: of its cells.
    """

    entries: tuple[Entry, ...] = ()
    reason: str = ""
    policy: Mapping[str, Any] = MappingProxyType({})


def of_prose(facts: Facts) -> Several:
    """A vector for each word; none where hardly two texts share one.

    Args:
        facts: of a field of sentences.
    """
    texts = pa.array(counted(facts.values))
    shared = Counter(word for text in texts[:TEXTS].to_pylist() for word in set(tokens_of(text)))
    if max(shared.values(), default=0) < min(IN_TEXTS, len(texts)):
        return Several()
    lengths, _ = ragged(word_lists(texts))
    most = min(MOST_WORDS, power_of_two(float(np.quantile(lengths, 0.95))))
    options = {} if most == 64 else {"max_tokens": most}
    why = f"sentences, {np.median(lengths):.0f} words in the middle: a vector for each word that two texts share"
    if (lengths > most).any():
        why += f"; of {(lengths > most).mean():.0%} of them only the first {most} words are read"
    pairs = node_of("text.HashedText", facts.name, buckets=20_000, ngrams=2, dim=16, **options)
    told = "the same with pairs of neighbouring words, hashed"
    return Several(
        (Entry("", node_of("text.Text", facts.name, **options), why), Entry("_pairs", pairs, told, active=False))
    )


def of_members(facts: Facts) -> Several:
    """A vector for each member of cells such as "Action, Drama"; none for other text."""
    found = members_in(counted(facts.values))
    if found is None:
        return Several()
    options = ({} if found.separator == ", " else {"separator": found.separator}) | limit("max_tokens", found.most)
    why = f"sets, {found.distinct:,} members: a vector for each, their mean for a cell"
    return Several((Entry("", node_of("sets.Set", facts.name, **options), why),))


def of_json(facts: Facts) -> Several:
    """Maps and vectors in text as those of typed cells; none for lists of words, which are no text that `Set` reads."""
    words = counted(facts.values)
    na = [*facts.na, *(word for word in NA_WORDS if word in words)]
    content = stands_for(words)
    if content == "lists":
        return Several((), CONTENTS[content])
    return of_maps(facts, na) if content == "maps" else of_vectors(facts, na)


def of_type(facts: Facts) -> Several:
    """The column for cells of lists, maps, vectors or files' bytes, and the reason why it is not taken if it is not."""
    column, there = column_for(facts.array.type), facts.array.drop_null()
    if column == "images.Image":
        files = there if is_bytes(there.type) else pc.struct_field(there, "bytes").drop_null()
        return of_images(facts, (cell.as_py() for cell in files), "bytes, of which the first are no picture")
    if column == "maps.HashedMap":
        return of_maps(facts)
    return of_vectors(facts) if column == "vectors.Vector" else of_lists(facts)


def of_lists(facts: Facts) -> Several:
    """A vector for each member."""
    lengths, members = ragged(lists_of(facts.array, facts.array.type.value_type))
    high, distinct = int(lengths.max()), pc.count_distinct(members).as_py()
    if not 0 < high <= MOST:
        return Several((), f"sets of up to {high:,} members")
    item = Read(facts.name, "set", max_tokens=high)
    node = node_of("sets.Set", facts.name, **limit("max_tokens", high))
    why = f"sets, {distinct:,} members: a vector for each, their mean for a cell"
    return judged(facts, Entry("", node, why), item, as_read(facts, item))


def of_vectors(facts: Facts, na: Sequence[str] = ()) -> Several:
    """The numbers, standardized, where nearly all cells have as many.

    Args:
        facts: of the field.
        na: texts that mean missing.
    """
    if is_text(facts.array.type):
        coded = facts.array.dictionary_encode()
        lists = pa.array([parsed(word) for word in coded.dictionary.to_pylist()], LISTS).take(coded.indices)
    else:
        lists = facts.array
    lengths = pc.list_value_length(lists.drop_null()).to_numpy()
    size = int(np.bincount(lengths).argmax())
    if not size or (lengths != size).mean() > RARE:
        between = f"{lengths.min():,} to {lengths.max():,}"
        return Several((), f"lists of {between} numbers: vectors must have as many in each row")
    item = Read(facts.name, "vector", size=(size,))
    entry = Entry("", node_of("vectors.Vector", facts.name, size=size), f"vectors of {size:,} numbers, standardized")
    return judged(facts, entry, item, as_read(facts, item, na), na)


def of_maps(facts: Facts, na: Sequence[str] = ()) -> Several:
    """Names hashed into twice as many buckets as there are.

    Args:
        facts: of the field.
        na: texts that mean missing.
    """
    item = Read(facts.name, "map_keys", max_tokens=MOST)
    cells = as_read(facts, item, na)
    lengths, pairs = ragged(cells.values)
    names, most = pc.count_distinct(pairs.field(0)).as_py(), int(lengths.max())
    buckets = max(100, power_of_two(2 * names))
    node = node_of("maps.HashedMap", facts.name, buckets=buckets, **limit("max_names", most, NAMES))
    found = judged(
        facts, Entry("", node, f"maps of {names:,} names to numbers, hashed into {buckets:,} buckets"), item, cells, na
    )
    return found if most or found.reason else Several((), "maps of up to 0 names")


def as_read(facts: Facts, item: Read, na: Sequence[str] = ()) -> Cells:
    """The cells as training reads them."""
    return read(facts.array, item, Field(facts.name, (item.kind,), na_values=tuple(na)))


def judged(facts: Facts, entry: Entry, item: Read, cells: Cells, na: Sequence[str] = ()) -> Several:
    """A column with the policy of its cells, unless training would refuse more than a few of them.

    Args:
        facts: of the field.
        entry: the column.
        item: as what it reads the cells.
        cells: what was read.
        na: texts that mean missing.
    """
    policy: dict[str, Any] = {"na_values": [*na]} if na else {}
    wrong = {code: int(bad.sum()) for code, bad in cells.bad.items() if bad.any()}
    if not wrong:
        return Several((entry,), policy=policy)
    count = int(np.logical_or.reduce(list(cells.bad.values())).sum())
    rule = rule_of(max(wrong, key=lambda code: wrong[code]), [item])
    told = f"{count:,} of {facts.rows:,} cells are none: {rule}"
    if count > RARE * (facts.rows - facts.missing):
        return Several((), told)
    return Several(
        (entry._replace(why=f"{entry.why}; read as missing, since {told}"),), "", policy | {"invalid": "missing"}
    )


def of_files(facts: Facts, folder: Path) -> Several:
    """Pictures in files whose paths are in the cells; few paths of no file are missing by policy, more leave it out.

    Args:
        facts: of the field.
        folder: where the paths begin.
    """
    words = counted(facts.values)
    na = [*facts.na, *(word for word in NA_WORDS if word in words)]
    paths = {path: cells for path, cells in words.items() if path not in na}
    lost = sum(cells for path, cells in paths.items() if not os.path.isfile(folder / path))
    if lost > RARE * sum(paths.values()):
        return Several((), f"paths of image files, of which {lost:,} of {sum(paths.values()):,} are none in {folder}")
    policy: dict[str, Any] = {"na_values": na} if na else {}
    policy |= {"invalid": "missing"} if lost else {}
    files = (content for path in paths if isinstance(content := file_bytes(folder / path), bytes))
    return of_images(facts, files, "paths of files, of which the first are no picture")._replace(policy=policy)


def of_images(facts: Facts, files: Iterable[bytes], none: str) -> Several:
    """A small network for pictures, offered: it takes far longer than all other columns.

    Args:
        facts: of the field.
        files: of which the first picture tells channels and size.
        none: the reason where there is no picture among the first.
    """
    for content in islice(files, TRIED):
        try:
            with Image.open(io.BytesIO(content)) as picture:
                channels, sides = (1 if picture.mode in ("1", "L") else 3), picture.size[::-1]
        except (OSError, Image.DecompressionBombError):
            continue
        why = f"pictures of {channels} by {sides[0]:,} by {sides[1]:,}, for a small network that learns with the rest"
        size = [channels, *(min(max(side, SMALLEST), PIXELS) for side in sides)]
        return Several((Entry("", node_of("images.Image", facts.name, size=size), why, active=False),), PICTURES)
    return Several((), none)


def limit(option: str, most: int, usual: int = MEMBERS) -> dict[str, int]:
    """How many members of a cell are read, where that is more than what is read anyway."""
    return {option: power_of_two(most)} if most > usual else {}


def power_of_two(n: float) -> int:
    """The next one, from 16 on."""
    return max(16, 1 << max(0, int(np.ceil(n)) - 1).bit_length())
