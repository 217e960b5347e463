"""Images: PNG, JPEG, WebP, BMP or GIF (its first frame), as bytes, as the path of a file, or as base64 in text.

Text is a path where the source has a folder (CSV, Parquet), relative to it; else, as in a request, it is base64: no
request makes a server read a file. "data:…;base64,…" is base64 anywhere. Pixels are turned as EXIF says, laid on white
where they are transparent, brought to the wanted channels and, without keeping proportions, to the wanted size. All 0
stands for a missing image, so that one that is black throughout gets 1 of 255 in its first pixel. Bytes may also stand
in a struct's field `bytes`, as the Hugging Face hub's Parquet files have them.
Shape: N cells -> (N, C, H, W) uint8.

>>> item = Read("photo", "image", size=(1, 2, 2))
>>> cells = Image().of_values(pa.array([EXAMPLE, b"no image"]), item, Field("photo", ()), How())
>>> Image().tensor(cells.values, item)[0].tolist(), cells.bad["broken_image"]
([[[128, 128], [128, 128]]], array([False,  True]))
"""

import base64
import binascii
import io
import struct
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from mlp_torch.ingest.cells import Cells, How, Mask, by_word, listed, without
from mlp_torch.ingest.fields import Field
from mlp_torch.ingest.kinds.kind import Kind, refused
from mlp_torch.ingest.kinds.reader import Reader, Strings
from mlp_torch.ingest.reads import Inputs, Read, Words

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")  # of 8 bits a channel: others would be cut in silence
MOST_BYTES = 2**24  # of a file
MOST_PIXELS = 50_000_000
ORIENTATION = 0x0112  # of EXIF
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
EXAMPLE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)  # a pixel


class Unreadable(Exception):
    """A cell that gives no image, with its reason code."""


class Image(Kind):
    """An image of a size."""

    nested = True
    forms = ("image",)
    takes = "the bytes of a file; or text: its path in a table that is a file, base64 elsewhere"
    most_bytes = 4 * MOST_BYTES // 3 + 64  # as base64
    faults = {  # noqa: RUF012
        "no_image_file": "a path must be that of a file; paths are relative to the table's folder",
        "broken_image": f"an image must be a whole file of {', '.join(FORMATS)} with 8 bits a channel; text that does "
        "not come from a file must be base64 of one, without line breaks",
        "huge_image": f"an image must have at most {MOST_PIXELS:,} pixels and {MOST_BYTES:,} bytes",
    }

    def absent(self, item: Read, n: int) -> pa.Array:
        return pa.nulls(n, pa.binary(int(np.prod(item.size))))

    def of_text(self, text: pa.DictionaryArray, item: Read, field: Field, how: How) -> Cells:
        na = listed(text, field)
        known = without(text, na)
        words = known.dictionary.to_pylist()
        cells = decoded((None if word is None else named(word, how.folder) for word in words), len(words), item)
        bad = {code: by_word(wrong, known) for code, wrong in cells.bad.items()}
        return Cells(cells.values.take(known.indices), bad, {"na_values read as missing": int(na.sum())})

    def of_values(self, array: pa.Array, item: Read, field: Field, how: How) -> Cells:
        kind = array.type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            array = array.flatten()[kind.get_field_index("bytes")]
        if not is_bytes(array.type):
            code = "nested_value" if pa.types.is_nested(array.type) else "wrong_type"
            return refused(array, code, self.absent(item, len(array)))
        return decoded((cell.as_py() for cell in array), len(array), item)

    def tensor(self, array: pa.Array, item: Read) -> Tensor:
        there = array.is_valid().to_numpy(zero_copy_only=False)
        width = int(np.prod(item.size))
        found = np.zeros((len(array), width), np.uint8)
        if len(array):
            content = np.frombuffer(array.buffers()[1], np.uint8)[
                array.offset * width : (array.offset + len(array)) * width
            ]
            found[there] = content.reshape(-1, width)[there]
        return torch.from_numpy(found).reshape(-1, *item.size)

    def example(self, item: Read, inputs: Inputs, words: Words) -> object:
        return base64.b64encode(EXAMPLE).decode()

    def troubles(self, example: object) -> list[object]:
        return []

    def raw(self, values: list[Any], item: Read) -> tuple[Tensor | None, list[str | None] | None]:
        cells = self.of_text(
            pa.array(values, pa.large_string()).dictionary_encode(), item, Field(item.field, ()), How()
        )
        return self.tensor(cells.values, item), None

    def reader(self, policy: Field, item: Read) -> Reader:
        return ImageReader(policy, item)


def is_bytes(kind: pa.DataType) -> bool:
    """Whether cells are bytes of any length."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def named(text: str, folder: Path | None) -> bytes | Unreadable:
    """The bytes that a text stands for: those of a file, or base64."""
    head, comma, tail = text.partition(",")
    is_data = comma and head.startswith("data:") and head.endswith(";base64")
    if not is_data and folder is not None:
        return file_bytes(folder / text)
    try:
        return base64.b64decode(tail if is_data else text, validate=True)
    except (binascii.Error, ValueError):
        return Unreadable("broken_image")


def file_bytes(path: Path) -> bytes | Unreadable:
    """The bytes of a file."""
    try:
        if not path.is_file():
            return Unreadable("no_image_file")
        return path.read_bytes() if path.stat().st_size <= MOST_BYTES else Unreadable("huge_image")
    except (OSError, ValueError):  # not to be read; a NUL in its name
        return Unreadable("no_image_file")


def decoded(contents: Iterable[bytes | Unreadable | None], n: int, item: Read) -> Cells:
    """Pixels of n cells, and which gave none and why."""
    bad: dict[str, Mask] = {code: np.zeros(n, bool) for code in Image.faults}
    found: list[bytes | None] = []
    for row, content in enumerate(contents):
        try:
            if isinstance(content, Unreadable):
                raise content
            found.append(None if content is None else pixels(content, item.size))
        except Unreadable as error:
            bad[str(error)][row] = True
            found.append(None)
    return Cells(pa.array(found, pa.binary(int(np.prod(item.size)))), bad, {})


def pixels(content: bytes, size: tuple[int, ...]) -> bytes:
    """An image file's pixels in the wanted size, C · H · W bytes.

    Raises:
        Unreadable: `broken_image`, `huge_image`.
    """
    from PIL import Image as Pillow

    if len(content) > MOST_BYTES:
        raise Unreadable("huge_image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is odd in a file that can be read
            with Pillow.open(io.BytesIO(content), formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise Unreadable("huge_image")
                if image.mode not in MODES or is_deep(content):
                    raise Unreadable("broken_image")
                return shaped(image, size)
    except (OSError, SyntaxError, ValueError, EOFError, Pillow.DecompressionBombError) as error:
        raise Unreadable("huge_image" if isinstance(error, Pillow.DecompressionBombError) else "broken_image") from None


def is_deep(content: bytes) -> bool:
    """Whether a PNG has 16 bits a channel, of which Pillow would drop half in silence."""
    return content.startswith(b"\x89PNG") and content[24:25] == b"\x10"  # where its first chunk has the depth


def turned(image: Any) -> Any:
    """An opened image as its EXIF says; one whose EXIF is damaged as it is, which viewers do too."""
    from PIL.Image import Transpose

    image.load()
    try:
        way = image.getexif().get(ORIENTATION)
    except (OSError, SyntaxError, ValueError, TypeError, struct.error):
        return image
    return image.transpose(Transpose[TURNS[way]]) if way in TURNS else image


def shaped(image: Any, size: tuple[int, ...]) -> bytes:
    """An opened image turned, laid on white, with the wanted channels and size."""
    from PIL import Image as Pillow

    channels, height, width = size
    image = turned(image)
    if "transparency" in image.info or image.mode in ("LA", "RGBA"):
        image = image.convert("RGBA")
        image = Pillow.alpha_composite(Pillow.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = image.resize((width, height), Pillow.Resampling.BILINEAR, reducing_gap=2.0)
    planes = np.asarray(image, np.uint8).reshape(height, width, channels).transpose(2, 0, 1)
    content = planes.tobytes()
    return content if planes.any() else b"\x01" + content[1:]


class ImageReader(Reader):
    """An image: a tensor of pixels in the wanted size, (B, C, H, W) uint8, all 0 = missing."""

    uint8: Tensor
    size: list[int]

    def __init__(self, policy: Field, read: Read):
        super().__init__(policy, read)
        self.size = list(read.size)
        self.register_buffer("uint8", torch.zeros((), dtype=torch.uint8), persistent=False)

    def forward(self, tensors: dict[str, Tensor], strings: Strings) -> tuple[Tensor, Tensor, Tensor]:
        if self.field not in tensors:
            raise RuntimeError(f'field "{self.field}" must be given in `tensors`: pixels of shape (B, C, H, W), uint8')
        pixels = tensors[self.field]
        if pixels.dim() != 4 or pixels.dtype != torch.uint8 or list(pixels.shape[1:]) != self.size:
            raise RuntimeError(f'field "{self.field}" must be uint8 of shape (B, {self.size}), however: {pixels.shape}')
        pixels = pixels.to(self.uint8)
        missing = (pixels == 0).flatten(1).all(dim=1)
        return pixels, torch.zeros_like(missing), missing
