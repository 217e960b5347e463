"""`mlp_torch neighbours RUN [COLUMN [WORD …]]`: which words an embedding has learned to be alike.

A check that people can make: airports that are near should be of one region, or delayed by the same weather. Nearness
is the cosine of two vectors: 1 = the same direction, 0 = none.

>>> nearest(["a", "b", "c"], np.array([[1.0, 0.0], [3.0, 4.0], [-1.0, 0.0]]), "a", most=2)
[('b', 0.6), ('c', -1.0)]
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mlp_torch.errors import ConfigError, ModelError, near, printable
from mlp_torch.verbs.options import Options, count

FOLDER = "embeddings"
SHOWN = 20  # words of which neighbours are told where none is asked for


def main(arguments: list[str]) -> int:
    """Prints columns, or a line a word."""
    options = Options("neighbours", "Show which words an embedding of a run has learned to be alike.")
    options.add_argument("run", metavar="RUN", help="a run's folder, e.g. runs/quickstart/latest")
    options.add_argument("column", metavar="COLUMN", nargs="?", help="without it, the run's columns are listed")
    options.add_argument("words", metavar="WORD", nargs="*", help=f"without any, the first {SHOWN} are shown")
    options.add_argument("--most", type=count, default=5, help="neighbours of a word")
    chosen = options.parse(arguments)
    found = tables(Path(chosen.run))
    if chosen.column is None:
        for name, path in found.items():
            print(f"{name}: {pq.read_metadata(path).num_rows:,} words")
        return 0
    if chosen.column not in found:
        text = f"COLUMN must be an embedding of the run, however: {chosen.column}"
        raise ConfigError(f"{text}; {near(chosen.column, found)}")
    words, vectors = read(found[chosen.column])
    for word in chosen.words or words[:SHOWN]:
        near_ones = nearest(words, vectors, word, most=chosen.most)
        print(f"{printable(word)}: " + ", ".join(f"{printable(other)} {cosine:.2f}" for other, cosine in near_ones))
    return 0


def tables(run: Path) -> dict[str, Path]:
    """The file of each embedding of a run by its column.

    Raises:
        ModelError: where there is none.
    """
    paths = sorted((run / FOLDER).glob("*.parquet"))
    if not paths:
        text = "RUN must be the folder of a finished run that has embeddings"
        raise ModelError(f"{text}, however: {run / FOLDER} holds none")
    return {unquote(path.stem): path for path in paths}


def read(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Words, and their vectors (n, d)."""
    table = pq.read_table(path)
    return table["word"].to_pylist(), np.array(table["vector"].to_pylist(), np.float32)


def nearest(words: Sequence[str], vectors: NDArray[np.floating], word: str, *, most: int) -> list[tuple[str, float]]:
    """The words whose vectors point most nearly in the direction of one's, with the cosine.

    Raises:
        ConfigError: for a word that is not there.
    """
    if word not in words:
        raise ConfigError(f"WORD must be one that training showed, however: {word}; {near(word, words)}")
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    at = words.index(word)
    cosine = unit @ unit[at]
    order = [i for i in np.argsort(-cosine, kind="stable") if i != at]
    return [(words[i], round(float(cosine[i]), 4)) for i in order[:most]]
