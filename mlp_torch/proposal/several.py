"""Columns of fields whose cells hold several values: sentences, members with a separator, lists, maps and vectors.

>>> import pyarrow as pa
>>> from mlp_torch.profile.facts import look
>>> genres = look("genre", pa.array([["Drama"], ["Drama", "Crime"], None] * 20))
>>> [entry.node for entry in of_type(genres)[0]]
[{'_target_': 'mlp_torch.representation.sets.Set', 'field': 'genre'}]
"""

import io
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from mlp_torch.ingest.kinds.image import is_bytes
from mlp_torch.ingest.kinds.rows import lists_of, ragged
from mlp_torch.ingest.kinds.tokens import tokens_of, word_lists
from mlp_torch.profile.facts import Facts, column_for, counted
from mlp_torch.profile.words import members_in
from mlp_torch.proposal.entry import Entry, node_of

TEXTS, IN_TEXTS = 1000, 10  # of so many texts so many must share a word, else there is none to learn
MOST_WORDS = 256  # of a text
MEMBERS, NAMES = 8, 64  # what Set and HashedMap read of a cell where nothing is said
MOST = 4096  # members or names of a cell
SMALLEST, PIXELS = 8, 64  # of a side of a picture, where the files have fewer or more


def of_prose(facts: Facts) -> tuple[Entry, ...]:
    """A vector for each word; none where hardly two texts share one.

    Args:
        facts: of a field of sentences.
    """
    texts = pa.array(counted(facts.values))
    shared = Counter(word for text in texts[:TEXTS].to_pylist() for word in set(tokens_of(text)))
    if max(shared.values(), default=0) < min(IN_TEXTS, len(texts)):
        return ()
    lengths, _ = ragged(word_lists(texts))
    most = min(MOST_WORDS, power_of_two(float(np.quantile(lengths, 0.95))))
    options = {} if most == 64 else {"max_tokens": most}
    why = f"sentences, {np.median(lengths):.0f} words in the middle: a vector for each word that two texts share"
    if (lengths > most).any():
        why += f"; of {(lengths > most).mean():.0%} of them only the first {most} words are read"
    pairs = node_of("text.HashedText", facts.name, buckets=20_000, ngrams=2, dim=16, **options)
    told = "the same with pairs of neighbouring words, hashed"
    return Entry("", node_of("text.Text", facts.name, **options), why), Entry("_pairs", pairs, told, active=False)


def of_members(facts: Facts) -> tuple[Entry, ...]:
    """A vector for each member of cells such as "Action, Drama"; none for other text."""
    found = members_in(counted(facts.values))
    if found is None:
        return ()
    options = ({} if found.separator == ", " else {"separator": found.separator}) | limit("max_tokens", found.most)
    why = f"sets, {found.distinct:,} members: a vector for each, their mean for a cell"
    return (Entry("", node_of("sets.Set", facts.name, **options), why),)


def of_type(facts: Facts) -> tuple[tuple[Entry, ...], str]:
    """The column for cells of lists, maps, vectors or files' bytes, and the reason why it is not taken if it is not."""
    column, there = column_for(facts.array.type), facts.array.drop_null()
    if column == "images.Image":
        return of_images(facts, there)
    if column == "maps.HashedMap":
        return of_maps(facts, there)
    lengths, members = ragged(lists_of(there, there.type.value_type))
    low, high = int(lengths.min()), int(lengths.max())
    if members.null_count:
        return (), f"{members.null_count:,} members of its lists are null"
    if column == "vectors.Vector":
        if low < high or not high:
            return (), f"lists of {low:,} to {high:,} numbers: vectors must have as many in each row"
        node = node_of(column, facts.name, size=high)
        return (Entry("", node, f"vectors of {high:,} numbers, standardized"),), ""
    if not 0 < high <= MOST:
        return (), f"sets of up to {high:,} members"
    distinct = pc.count_distinct(members).as_py()
    node = node_of(column, facts.name, **limit("max_tokens", high))
    return (Entry("", node, f"sets, {distinct:,} members: a vector for each, their mean for a cell"),), ""


def of_maps(facts: Facts, there: pa.Array) -> tuple[tuple[Entry, ...], str]:
    """Names hashed into twice as many buckets as there are."""
    if pa.types.is_map(there.type):
        names, most = pc.count_distinct(there.keys).as_py(), int(np.diff(there.offsets.to_numpy()).max())
    else:
        names = most = there.type.num_fields
    if not 0 < most <= MOST:
        return (), f"maps of up to {most:,} names"
    buckets = max(100, power_of_two(2 * names))
    node = node_of("maps.HashedMap", facts.name, buckets=buckets, **limit("max_names", most, NAMES))
    return (Entry("", node, f"maps of {names:,} names to numbers, hashed into {buckets:,} buckets"),), ""


def of_images(facts: Facts, there: pa.Array) -> tuple[tuple[Entry, ...], str]:
    """A small network for pictures, offered: it takes far longer than all other columns."""
    files = there if is_bytes(there.type) else pc.struct_field(there, "bytes").drop_null()
    try:
        with Image.open(io.BytesIO(files[0].as_py())) as picture:
            channels, sides = (1 if picture.mode in ("1", "L") else 3), picture.size[::-1]
    except (IndexError, OSError, Image.DecompressionBombError):
        return (), "bytes, of which the first are no picture"
    size = [channels, *(min(max(side, SMALLEST), PIXELS) for side in sides)]
    why = "pictures, for which the next line has a small network that learns with the rest, and takes its time"
    return (Entry("", node_of("images.Image", facts.name, size=size), why, active=False),), why


def limit(option: str, most: int, usual: int = MEMBERS) -> dict[str, int]:
    """How many members of a cell are read, where that is more than what is read anyway."""
    return {option: power_of_two(most)} if most > usual else {}


def power_of_two(n: float) -> int:
    """The next one, from 16 on."""
    return max(16, 1 << max(0, int(np.ceil(n)) - 1).bit_length())
