"""Pictures of clothing, 28 × 28 in grey, of 10 classes: 60,000 to train on and 10,000 to test with.

Each class has 6,000 and 1,000 of them. No picture is there twice, none is empty. The fields: image (a PNG file), label
(the class in words), part (train or test, as published) and row (the number within the part, from 0). One picture is
one (part, row). The training part has no validation rows of its own.

The files are those of the Debian package dataset-fashion-mnist, where it is installed. MIT: Zalando SE.

>>> png(np.zeros((28, 28), np.uint8))[:4]
b'\\x89PNG'
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlp_torch.datasets.origin import File, Origin, checked
from mlp_torch.datasets.packages import Debian
from mlp_torch.errors import ConfigError
from mlp_torch.ingest.block import Block

SIDE = 28
ROWS = {"train": 60_000, "test": 10_000}
LABELS = [
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
]
ORIGIN = Origin(
    "fashion_mnist",
    Debian("dataset-fashion-mnist", Path("/usr/share/datasets/fashion-mnist")),
    (
        File("train-images-idx3-ubyte.gz", "b0564c3eedabfbf8", size=26_421_856),
        File("train-labels-idx1-ubyte.gz", "0ae29f65d86684f3", size=29_491),
        File("t10k-images-idx3-ubyte.gz", "cc1d090a38ace84d", size=4_422_079),
        File("t10k-labels-idx1-ubyte.gz", "8d3605d196f4be44", size=5_125),
    ),
    terms="MIT: Zalando",
)
SCHEMA = pa.schema({"image": pa.binary(), "label": pa.string(), "part": pa.string(), "row": pa.int64()})


class FashionMnist:
    """Both parts, the training pictures first. All 70,000 take about five seconds.

    Args:
        first: how many of the training pictures, from the first one on; by default all.
        test: how many of the test pictures, from the first one on; by default all, with which alone figures compare.

    Raises:
        ConfigError: if there are not as many.
    """

    def __init__(self, *, first: int = ROWS["train"], test: int = ROWS["test"]):
        if not 0 < first <= ROWS["train"]:
            raise ConfigError(f"first must be from 1 to {ROWS['train']:,} training pictures, however: {first=}")
        if not 0 < test <= ROWS["test"]:
            raise ConfigError(f"test must be from 1 to {ROWS['test']:,} test pictures, however: {test=}")
        self.first, self.test = first, test

    def read(self) -> Block:
        """All rows. Raises DataError if files are missing, or are not the ones known here."""
        train, train_labels, test, test_labels = ORIGIN.paths()
        parts = [
            part("train", numbers(train, 16)[: self.first * SIDE**2], numbers(train_labels, 8)[: self.first]),
            part("test", numbers(test, 16)[: self.test * SIDE**2], numbers(test_labels, 8)[: self.test]),
        ]
        total = self.first + self.test
        return Block(checked(pa.concat_tables(parts), SCHEMA, total, "fashion-mnist"), name="fashion-mnist")


def numbers(path: Path, header: int) -> NDArray[np.uint8]:
    """The bytes of an IDX file behind its header."""
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8)[header:]


def part(name: str, pixels: NDArray[np.uint8], labels: NDArray[np.uint8]) -> pa.Table:
    """The rows of one part, from N · 28 · 28 pixels and N labels."""
    images = [png(image) for image in pixels.reshape(-1, SIDE, SIDE)]
    words = pa.array(LABELS).take(pa.array(labels))
    columns = [pa.array(images, pa.binary()), words, pa.array([name] * len(labels)), pa.array(np.arange(len(labels)))]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def png(image: NDArray[np.uint8]) -> bytes:
    """A grey picture, (H, W), as a PNG file: three times as fast as Pillow, which tries every filter on each line."""
    height, width = image.shape
    lines = np.zeros((height, width + 1), np.uint8)  # each line begins with the number of its filter, 0 = none
    lines[:, 1:] = image
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)  # 8 bits, grey
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 1)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A piece of a PNG file: length, kind, content, checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
