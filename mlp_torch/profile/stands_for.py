"""Text that stands for something else: JSON's maps, vectors and lists, as training reads them, and image files.

>>> stands_for({'{"a": 0.86}': 3, '{"b": 1, "a": 2}': 1}), stands_for({"[1.1, 0.7]": 1}), stands_for({'["a"]': 1})
('maps', 'vectors', 'lists')
>>> stands_for({"a/b.png": 1}), stands_for({"[sic]": 1}), stands_for({"7": 1})
('images', '', '')
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Literal

from mlp_torch.ingest.kinds import maps, vector
from mlp_torch.profile.facts import NA_WORDS

Content = Literal["maps", "vectors", "lists", "images", ""]
RARE = 0.01  # share of the cells that may be something else
BEGINS = ("{", "[")
IMAGE_FILE = re.compile(r"(?i).*[^\s/\\]\.(png|jpe?g|webp|bmp|gif)", re.DOTALL)


def stands_for(words: Mapping[str, int]) -> Content:
    """What nearly all cells are; "" for other text.

    Args:
        words: cells of each; those that mean missing do not count.
    """
    known = {word: cells for word, cells in words.items() if word not in NA_WORDS}
    enough = (1 - RARE) * sum(known.values())

    def nearly_all(is_one: Callable[[str], object]) -> bool:
        return sum(cells for word, cells in known.items() if is_one(word)) >= enough

    if not known:
        return ""
    if nearly_all(IMAGE_FILE.fullmatch):
        return "images"
    if not nearly_all(lambda word: word.lstrip().startswith(BEGINS)):
        return ""
    return next((form for form, is_one in PARSERS.items() if nearly_all(is_one)), "")


def is_list(text: str) -> bool:
    """Whether text is a list of JSON's texts."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, list) and all(isinstance(member, str) for member in found)


# [] is all three
PARSERS: dict[Content, Callable[[str], bool]] = {
    "maps": lambda text: not isinstance(maps.parsed(text), str),
    "vectors": lambda text: vector.parsed(text) is not None,
    "lists": is_list,
}
