"""Pretrained vectors (ch. 2, Embeddings): categories and words begin where another model's training left them.

Read once, in `fit`: a run that goes on and a model that is shipped need the file no more. Words are found by
fingerprint, so they must agree byte for byte; of two that agree the first counts. Only vectors of known words are kept.

- `.vec`, `.txt`: a word and its numbers a line, parted by blanks, as word2vec, fastText and GloVe write them, counts on
  top or not; of counts on top that many words must follow
- `.npz`: NumPy's arrays `words` (W,) and `vectors` (W, d)
- `.parquet`: a column of text, and one of lists or several of numbers; a run's `embeddings/` holds such files

Shape: (n,) int64 fingerprints and their codes -> (m,) codes and (m, d) float32 vectors, m ≤ n.

>>> import tempfile
>>> from mlp_torch.ingest.fingerprint import fingerprints
>>> path = Path(tempfile.mkdtemp()) / "some.vec"
>>> _ = path.write_text("Oslo 0.5 1\\nRome 2 3\\n")
>>> some = Pretrained(path); some.fit(fingerprints(["Rome", "Ulm"]), torch.tensor([2, 3]), name="city")
>>> some.codes, some.vectors, some.note(2)
(tensor([2]), tensor([[2., 3.]]), '1 of 2 words begin with a vector of some.vec')
"""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple
from zipfile import BadZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mlp_torch.column import Rows
from mlp_torch.ingest.fingerprint import arrow_fingerprints

BLOCK = 2**24  # bytes of lines that are held at once


class Pretrained(nn.Module):
    """Vectors of a file, for the words of a vocabulary.

    Args:
        path: the file.
        freeze: whether the vectors stay as they are; rows that the file says nothing of, those for unknown and missing
            among them, are learned all the same.
        others: where rows without a vector begin: at the `mean` of the vectors, or at `random` as these are spread. The
            rows for unknown and missing begin at the mean.

    Raises:
        ValueError: in `fit`, if the file is missing, cannot be read, has fewer words than it says, holds no known
            word, or has vectors of unequal width.
    """

    codes: Tensor
    vectors: Tensor

    def __init__(self, path: str | Path, *, freeze: bool = False, others: Literal["mean", "random"] = "mean"):
        super().__init__()
        if others not in ("mean", "random"):
            raise ValueError(f"others must be mean or random, however: {others=}")
        self.path, self.freeze, self.others = str(path), freeze, others
        self.stamp = stamp(Path(path))  # what is kept of encoded rows is of this file
        self.register_buffer("codes", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("vectors", torch.zeros(0, 0))

    def fit(self, vocabulary: Tensor, codes: Tensor, *, name: str, dim: int | None = None) -> None:
        """Reads the vectors of known words.

        Args:
            vocabulary: (n,) int64 fingerprints.
            codes: (n,) int64, theirs.
            name: of the raw field, for messages.
            dim: the width that they must have; None = any.
        """
        self.codes, self.vectors = self.found(vocabulary, codes, name=name, dim=dim)
        if not len(self.codes):
            text = f"{self.path} must hold words of {name}, byte for byte, however: none of {len(vocabulary):,}"
            raise ValueError(text)

    def grow(self, vocabulary: Tensor, codes: Tensor, *, name: str) -> None:
        """Reads the vectors of further words, of which the file may know none; arguments as those of `fit`."""
        if len(vocabulary):
            more, vectors = self.found(vocabulary, codes, name=name, dim=self.vectors.shape[1])
            self.codes, self.vectors = torch.cat([self.codes, more]), torch.cat([self.vectors, vectors])

    def found(self, vocabulary: Tensor, codes: Tensor, *, name: str, dim: int | None) -> tuple[Tensor, Tensor]:
        """The codes of words that the file knows, (m,), and their vectors, (m, d)."""
        wanted, order = vocabulary.sort()
        if not Path(self.path).exists():
            raise ValueError(f"{self.path} is missing; {name} begins with the vectors that it holds")
        try:
            found = [kept for part in parts(Path(self.path)) if len((kept := among(part, wanted)).at)]
        except (OSError, BadZipFile, KeyError, ValueError) as error:  # Arrow's errors are among these
            raise ValueError(f"{self.path} must hold words and vectors, however: {error}") from None
        if not found:
            return codes[:0], torch.zeros(0, dim or 0)
        widths = sorted({part.vectors.shape[1] for part in found} | ({dim} if dim else set()))
        if len(widths) > 1:
            raise ValueError(f"dim and all vectors of {self.path} must be of one width, however: {widths}")
        vectors = np.concatenate([part.vectors for part in found])
        if not np.isfinite(vectors).all():
            raise ValueError(f"vectors of {self.path} must be finite, however: {vectors[~np.isfinite(vectors)][0]}")
        at, first = np.unique(np.concatenate([part.at for part in found]), return_index=True)
        return codes[order][torch.from_numpy(at)], torch.from_numpy(vectors[first])

    def into(self, rows: Rows) -> nn.Module:
        """The rows with these vectors in place, as a layer."""
        weight, mean = rows.table.weight.data, self.vectors.mean(dim=0)  # (codes, d), (d,)
        if self.others == "random":
            spread = self.vectors.std(dim=0, correction=0)
            weight.normal_().mul_(spread).add_(mean)
        else:
            weight.copy_(mean.expand_as(weight))
        weight[rows.spare] = mean
        if self.freeze:
            return Kept(rows, self.codes, self.vectors)
        weight[self.codes] = self.vectors
        return rows

    def note(self, words: int) -> str:
        """How many of so many words have a vector."""
        held = "keep the" if self.freeze else "begin with a"
        return f"{len(self.codes):,} of {words:,} words {held} vector of {Path(self.path).name}"


def width_of(vectors: Pretrained | None) -> int:
    """The width of vectors that were read; 0 where there are none."""
    return 0 if vectors is None else vectors.vectors.shape[1]


class Kept(nn.Module):
    """Rows of which some stay as they are given; the others are learned.

    Args:
        rows: of all codes; those of `codes` are taken out of its table.
        codes: (m,) int64, whose vectors are given.
        vectors: (m, d) float32.

    Shape: (B, …) int64 -> (B, …, d) float32.
    """

    place: Tensor
    held: Tensor
    given: Tensor

    def __init__(self, rows: Rows, codes: Tensor, vectors: Tensor):
        super().__init__()
        weight = rows.table.weight.data
        held = torch.zeros(len(weight), dtype=torch.bool)
        held[codes] = True
        place = torch.zeros(len(weight), dtype=torch.int64)
        place[~held], place[codes] = torch.arange(int((~held).sum())), torch.arange(len(codes))
        rows.table = nn.Embedding(int((~held).sum()), vectors.shape[1], _weight=weight[~held])
        self.rows = rows
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("held", held, persistent=False)
        self.register_buffer("given", vectors.clone(), persistent=False)  # the column's state has them

    def forward(self, codes: Tensor) -> Tensor:
        codes = self.rows.hidden(codes)
        held, place = self.held[codes], self.place[codes]  # (B, …)
        learned = self.rows.table(place.masked_fill(held, 0))  # (B, …, d)
        given = self.given[place.masked_fill(~held, 0)]
        return torch.where(held.unsqueeze(-1), given, learned)  # (B, …, d)


class Part(NamedTuple):
    """Some words of a file, (W,) as Arrow text, and (W, d) their vectors; or W lines of a word and d numbers."""

    words: pa.Array
    vectors: NDArray[np.float32] | list[bytes]
    width: int


class Found(NamedTuple):
    """The places of known words in the ascending vocabulary, (m,), and their vectors (m, d)."""

    at: NDArray[np.int64]
    vectors: NDArray[np.float32]


def stamp(path: Path) -> tuple[int, int] | None:
    """Size and time of a file; None where there is none."""
    return (path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else None


def among(part: Part, wanted: Tensor) -> Found:
    """Those words of a part that are wanted, (n,) ascending; of lines only theirs are read."""
    if part.width < 1:
        raise ValueError(f"a vector must hold one number at least, however: {part.width}")
    fingerprints = arrow_fingerprints(part.words)
    at = torch.searchsorted(wanted, fingerprints).clamp(max=len(wanted) - 1)
    rows = ((wanted[at] == fingerprints) & (fingerprints != 0)).nonzero().squeeze(1).numpy()
    if not isinstance(part.vectors, list):
        return Found(at.numpy()[rows], part.vectors[rows])
    lines = [part.vectors[row].split() for row in rows]
    if short := [line for line in lines if len(line) <= part.width]:
        text = f"each line must hold a word and {part.width} numbers, however: {len(short[0]) - 1} stand behind"
        raise ValueError(f"{text} {short[0][0].decode()!r}")
    if long := [line for line in lines if len(line) > part.width + 1 and all(map(is_number, line[1:]))]:
        text = f"each line must hold a word and {part.width} numbers, however: {len(long[0]) - 1} stand behind"
        raise ValueError(f"{text} {long[0][0].decode()!r}")
    whole = [i for i, line in enumerate(lines) if len(line) == part.width + 1]  # else it begins a word with blanks
    vectors = np.array([lines[i][1:] for i in whole], np.float32).reshape(len(whole), part.width)
    return Found(at.numpy()[rows[whole]], vectors)


def is_number(piece: bytes) -> bool:
    """Whether a piece of a line can be one of a vector's numbers."""
    try:
        float(piece)
    except ValueError:
        return False
    return True


def parts(path: Path) -> Iterator[Part]:
    """A file in parts that fit into memory.

    Raises:
        ValueError, OSError, KeyError, BadZipFile: if it cannot be read.
    """
    if path.suffix not in READERS:
        raise ValueError(f"its name must end in {', '.join(READERS)}")
    return READERS[path.suffix](path)


def of_lines(path: Path) -> Iterator[Part]:
    """Lines of a word and numbers, after a first line of two counts if there is one."""
    with path.open("rb") as file:
        told, width = counts(file)
        read = 0
        while lines := file.readlines(BLOCK):
            read += sum(not line.isspace() for line in lines)
            words = [line.split(b" ", 1)[0].decode(errors="replace") for line in lines]
            yield Part(pa.array(words, pa.large_string()), lines, width)
    if read < told:
        raise ValueError(f"{told:,} words must follow, as its first line says, however: {read:,}; it may be cut off")


def counts(file: BinaryIO) -> tuple[int, int]:
    """How many words a file says that it holds, 0 if it does not, and how many numbers each; it stands at the first.

    Raises:
        ValueError: for a byte order mark, and a first word without a blank and numbers behind it.
    """
    first = file.readline()
    if first.startswith((BOM_UTF8, BOM_UTF16_LE, BOM_UTF16_BE)):
        raise ValueError("it must be UTF-8 without a byte order mark (BOM), however: it begins with one")
    pieces = first.split()
    says = len(pieces) == 2 and all(piece.isdigit() for piece in pieces)
    begin = len(first) if says else 0
    file.seek(begin)
    line = file.readline()
    word, _, numbers = line.partition(b" ")
    if line and (b"\t" in word or not numbers.strip()):
        shown = line[:60].decode(errors="replace")
        raise ValueError(f"a word and its numbers must be parted by blanks, not by tabs or commas, however: {shown!r}")
    file.seek(begin)
    return (int(pieces[0]), int(pieces[1])) if says else (0, len(pieces) - 1)


def of_arrays(path: Path) -> Iterator[Part]:
    """The arrays `words` and `vectors`."""
    with np.load(path, allow_pickle=False) as found:
        words, vectors = found["words"], found["vectors"]
    if vectors.ndim != 2 or words.shape != vectors.shape[:1]:
        raise ValueError(f"words must be (W,) and vectors (W, d), however: {words.shape}, {vectors.shape}")
    yield Part(pa.array(words.tolist(), pa.large_string()), vectors.astype(np.float32), vectors.shape[1])


def of_parquet(path: Path) -> Iterator[Part]:
    """The first column of text, and the first column of lists, or all columns of fractions, or of whole numbers."""
    kinds = pa.types
    with pq.ParquetFile(path) as file:
        fields = list(file.schema_arrow)
        texts = [item.name for item in fields if kinds.is_string(item.type) or kinds.is_large_string(item.type)]
        lists = [item.name for item in fields if kinds.is_list(item.type) or kinds.is_fixed_size_list(item.type)]
        fractions = [item.name for item in fields if kinds.is_floating(item.type)]  # beside them whole numbers are ids
        numbers = lists[:1] or fractions or [item.name for item in fields if kinds.is_integer(item.type)]
        if not texts or not numbers:
            named = ", ".join(item.name for item in fields)
            raise ValueError(f"a column must be text and another lists or numbers, however: {named}")
        for batch in file.iter_batches(columns=[texts[0], *numbers]):
            if empty := [name for name in (texts[0], *numbers) if batch.column(name).null_count]:
                raise ValueError(f"each row must have a word and a vector, however: {empty[0]} has empty cells")
            cells = [batch.column(name).to_pylist() for name in numbers]
            vectors = np.array(cells[0] if lists else cells, np.float32)  # (W, d) or (d, W)
            vectors = vectors if lists else vectors.T
            yield Part(batch.column(texts[0]).cast(pa.large_string()), vectors, vectors.shape[1])


READERS = {".vec": of_lines, ".txt": of_lines, ".npz": of_arrays, ".parquet": of_parquet}
