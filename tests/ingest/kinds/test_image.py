"""Images: pixels by NumPy, by arithmetic and by torch's own resizing; what is refused; no request opens a file."""

import base64
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow
from ways_in import assert_alike_in_graph, assert_same_bits, checked, graph, in_graph, inputs, layouts, refused, tensor

from mlp_torch.ingest.block import Block
from mlp_torch.ingest.inputs import table_of, to_inputs
from mlp_torch.ingest.kinds import image
from mlp_torch.ingest.kinds.image import EXAMPLE, Unreadable, pixels
from mlp_torch.ingest.reads import Read
from mlp_torch.ingest.schema import Schema
from mlp_torch.ingest.source import Csv, Frame, Parquet

GREY = Read("photo", "image", size=(1, 4, 5))
COLOUR = Read("photo", "image", size=(3, 4, 5))
SCHEMA = Schema.of([GREY])
DRAW = np.random.default_rng(0)
Pixels = NDArray[np.uint8]
RGB: Pixels = DRAW.integers(0, 256, (4, 5, 3), dtype=np.uint8)


def file(picture: Any, kind: str = "PNG", **options: Any) -> bytes:
    """A picture, or pixels, as a file."""
    content = io.BytesIO()
    opened = picture if isinstance(picture, Pillow.Image) else Pillow.fromarray(np.asarray(picture))
    opened.save(content, kind, **options)
    return content.getvalue()


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def grey(colour: Pixels) -> Pixels:
    """ITU-R 601-2 in 16 bits: what Pillow documents for its conversion to L."""
    red, green, blue = np.moveaxis(colour.astype(np.int64), -1, 0)
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.uint8)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, *, depth: int = 8, colour: int = 0, content: bytes = b"") -> bytes:
    """A PNG by hand, whose header may say anything."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")


# --- pixels


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_pixels_are_those_of_the_file(kind: str) -> None:
    content = file(RGB, kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert np.array_equal(tensor([content], COLOUR)[0].numpy(), RGB.transpose(2, 0, 1))
    assert np.array_equal(tensor([content], GREY)[0, 0].numpy(), grey(RGB))


def test_grey_palette_and_black_and_white_images_are_read() -> None:
    shades: Pixels = DRAW.integers(1, 256, (4, 5), dtype=np.uint8)
    assert np.array_equal(tensor([file(shades)], GREY)[0, 0].numpy(), shades)
    assert np.array_equal(tensor([file(shades)], COLOUR)[0].numpy(), np.stack([shades] * 3))
    palette = Pillow.fromarray(RGB).quantize(8)
    for kind in ("PNG", "GIF"):
        wanted = np.asarray(palette.convert("RGB")).transpose(2, 0, 1)
        assert np.array_equal(tensor([file(palette, kind)], COLOUR)[0].numpy(), wanted)
    bits = Pillow.fromarray(np.where(shades > 128, 255, 0).astype(np.uint8)).convert("1")
    assert set(tensor([file(bits)], GREY).unique().tolist()) <= {0, 255}


def test_a_jpeg_is_near_what_it_was_made_of_also_in_cmyk() -> None:
    smooth = np.broadcast_to(np.linspace(0, 255, 40).astype(np.uint8)[:, None, None], (40, 50, 3))
    read = Read("photo", "image", size=(3, 40, 50))
    for picture in (Pillow.fromarray(smooth), Pillow.fromarray(smooth).convert("CMYK")):
        found = tensor([file(picture, "JPEG", quality=95)], read)[0].numpy()
        assert np.abs(found.astype(int) - smooth.transpose(2, 0, 1)).max() < 8


def test_what_is_transparent_lies_on_white() -> None:
    colour = DRAW.integers(0, 256, (4, 5, 4), dtype=np.uint8)
    colour[0, 0], colour[0, 1] = (10, 20, 30, 0), (10, 20, 30, 255)
    share = colour[..., 3:] / 255
    wanted = colour[..., :3] * share + 255 * (1 - share)
    found = tensor([file(colour)], COLOUR)[0].numpy().transpose(1, 2, 0)
    assert np.abs(found - wanted).max() <= 1
    assert found[0, 0].tolist() == [255] * 3
    assert found[0, 1].tolist() == [10, 20, 30]
    clear = Pillow.fromarray(RGB).quantize(8)
    clear.info["transparency"] = clear.getpixel((0, 0))
    assert tensor([file(clear)], COLOUR)[0, :, 0, 0].tolist() == [255] * 3


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda x: x),
        (2, lambda x: x[:, ::-1]),
        (3, lambda x: x[::-1, ::-1]),
        (4, lambda x: x[::-1]),
        (5, lambda x: x.swapaxes(0, 1)),
        (6, lambda x: np.rot90(x, -1)),
        (7, lambda x: np.rot90(x, 2).swapaxes(0, 1)),
        (8, lambda x: np.rot90(x, 1)),
        (9, lambda x: x),
    ],
)
def test_a_photo_is_turned_as_its_exif_says(orientation: int, turn: Any) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    wanted = np.ascontiguousarray(turn(RGB))
    read = Read("photo", "image", size=(3, *wanted.shape[:2]))
    found = tensor([file(RGB, exif=exif)], read)[0].numpy()
    assert np.array_equal(found, wanted.transpose(2, 0, 1))


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=60) | st.just(b""), st.integers(0, 59), st.sampled_from(["PNG", "JPEG", "WEBP"]))
def test_a_photo_with_damaged_exif_is_read_as_it_lies_or_as_it_is_turned(noise: bytes, at: int, kind: str) -> None:
    exif = Pillow.Exif()
    exif[0x0112], exif[0x010E] = 3, "a description"
    content = exif.tobytes()
    content = content[:at] + noise + content[at + len(noise) :]
    flat = np.full((4, 5, 3), 77, np.uint8)
    try:
        damaged = file(flat, kind, exif=content)
    except (OSError, ValueError, struct.error):  # Pillow writes no such file
        return
    found = tensor([damaged], COLOUR)
    assert (found.int() - 77).abs().max() <= 2


def test_resizing_is_bilinear_with_antialiasing_and_keeps_no_proportions() -> None:
    large = DRAW.integers(0, 256, (37, 61, 3), dtype=np.uint8)
    for size, most in (((3, 12, 10), 20), ((3, 50, 80), 1), ((3, 37, 20), 1)):  # Pillow first reduces by whole steps
        found = tensor([file(large)], Read("photo", "image", size=size))[0].float()
        wanted = torch.nn.functional.interpolate(
            torch.from_numpy(large).permute(2, 0, 1)[None].float(), size[1:], mode="bilinear", antialias=True
        )[0]
        assert (found - wanted).abs().max() <= most
        assert (found - wanted).abs().mean() < max(most / 4, 0.5)


def test_the_first_frame_of_an_animation_is_read() -> None:
    frames = [Pillow.fromarray(np.full((4, 5), shade, np.uint8)) for shade in (50, 200)]
    for kind in ("GIF", "PNG", "WEBP"):
        content = file(frames[0], kind, save_all=True, append_images=frames[1:])
        assert (tensor([content], GREY).int() - 50).abs().max() <= 2


def test_a_black_image_is_no_missing_one() -> None:
    found = tensor([file(np.zeros((4, 5), np.uint8)), None], GREY)
    assert found[0].flatten().tolist() == [1] + [0] * 19
    assert found[1].sum() == 0
    assert checked([file(np.zeros((4, 5), np.uint8)), None], GREY).counts["missing"] == {"photo": 1}


# --- where they come from

CELLS = [file(RGB), None, file(RGB[::-1])]
WANTED = {GREY.key: torch.from_numpy(np.stack([grey(RGB), np.zeros((4, 5), np.uint8), grey(RGB)[::-1]])[:, None])}


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
@pytest.mark.parametrize("layout", ["plain", "sliced", "chunked", "categories", "runs"])
def test_every_layout_of_bytes_gives_the_same_pixels(kind: pa.DataType, layout: str) -> None:
    assert_same_bits(inputs(layouts(pa.array(CELLS, kind))[layout], GREY), WANTED)


def test_bytes_in_a_struct_as_the_hugging_face_hub_has_them_are_read() -> None:
    rows = [None if cell is None else {"bytes": cell, "path": "a.png"} for cell in CELLS]
    assert_same_bits(inputs(pa.array(rows), GREY), WANTED)
    assert_same_bits(inputs(table_of(pa.table({"photo": pa.array(rows)}).to_pandas())["photo"], GREY), WANTED)
    assert refused(pa.array([{"path": "a.png"}]), GREY).code == "nested_value"


def test_records_frames_base64_and_data_urls_give_the_same_pixels() -> None:
    told = [None if cell is None else base64_of(cell) for cell in CELLS]
    urls = [None if text is None else f"data:image/png;base64,{text}" for text in told]
    views = [cell if cell is None else memoryview(cell) for cell in CELLS]
    for cells in (CELLS, told, urls, views, [CELLS[0], None, told[2]], pa.array(told), pa.array(urls)):
        assert_same_bits(inputs(cells, GREY), WANTED)
    for cells in (CELLS, told):
        assert_same_bits(inputs(table_of(pd.DataFrame({"photo": cells}))["photo"], GREY), WANTED)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two images beside what is none."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(file(RGB))
    (tmp_path / "photos" / "ü b.png").write_bytes(file(RGB[::-1]))
    (tmp_path / "photos" / "cut.png").write_bytes(BROKEN["half a PNG"])
    (tmp_path / "photos" / "nothing.png").write_bytes(b"")
    (tmp_path / "photos" / "text.png").write_bytes(b"not an image")
    (tmp_path / "photos" / "large.png").write_bytes(file(RGB) + bytes(20 * 2**20))
    os.mkfifo(tmp_path / "photos" / "pipe.png")  # to read it would never end
    return tmp_path


def test_paths_in_files_are_relative_to_the_file_or_absolute(photos: Path) -> None:
    paths = ["photos/a.png", None, f"{photos}/photos/ü b.png", "photos/../photos/a.png"]
    wanted = {GREY.key: torch.cat([WANTED[GREY.key], WANTED[GREY.key][:1]])}
    (photos / "rows.csv").write_text("photo,id\n" + "".join(f"{path or ''},x\n" for path in paths))
    pq.write_table(pa.table({"photo": paths}), photos / "rows.parquet")
    sources = (
        Csv(photos / "rows.csv"),
        Parquet(photos / "rows.parquet"),
        Frame([{"photo": p} for p in paths], folder=photos),
    )
    for source in sources:
        assert_same_bits(to_inputs(SCHEMA.check(source.read()), [GREY]), wanted)
    data = f"data:image/png;base64,{base64_of(file(RGB))}"  # is no path anywhere
    assert_same_bits(to_inputs(SCHEMA.check(Block(pa.table({"photo": [data]}), folder=photos)), [GREY]),
                     {GREY.key: WANTED[GREY.key][:1]})  # fmt: skip


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("photos/none.png", "no_image_file"),
        ("photos", "no_image_file"),
        ("", "no_image_file"),
        (".", "no_image_file"),
        ("/", "no_image_file"),
        ("photos/pipe.png", "no_image_file"),
        ("/dev/zero", "no_image_file"),
        ("photos/a.png\0", "no_image_file"),
        ("x" * 5000, "no_image_file"),
        ("http://example.com/a.png", "no_image_file"),
        ("photos/cut.png", "broken_image"),
        ("photos/nothing.png", "broken_image"),
        ("photos/text.png", "broken_image"),
        ("data:image/png;base64,AAAA", "broken_image"),
        ("data:image/png;base64,####", "broken_image"),
        ("photos/large.png", "huge_image"),
    ],
)
def test_a_path_of_no_image_is_refused_with_its_line(path: str, code: str, photos: Path) -> None:
    (photos / "rows.csv").write_text(f'photo,id\nphotos/a.png,x\n"{path}",y\nphotos/a.png,z\n')
    block = Csv(photos / "rows.csv").read()
    with pytest.raises(ValueError, match=f'{code}: column "photo"') as caught:
        SCHEMA.check(block)
    (problem,) = caught.value.problems  # type: ignore[attr-defined]
    assert (problem.bad, problem.total, problem.rows, problem.unit) == (1, 3, (3,), "line")
    assert problem.key == "data.fields.photo.invalid"
    lenient = Schema.of([GREY], {"photo": {"invalid": "missing"}}).check(block)
    assert lenient.counts["changed"] == {f"photo: {code} read as missing": 1}
    assert to_inputs(lenient, [GREY])[GREY.key].flatten(1).any(dim=1).tolist() == [True, False, True]
    assert Schema.of([GREY], {"photo": {"invalid": "drop"}}).check(block).counts["dropped"] == {f"photo: {code}": 1}


def test_a_file_that_must_not_be_read_is_told(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> bytes:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    block = Block(pa.table({"photo": ["photos/a.png"]}), folder=photos)
    with pytest.raises(ValueError, match='no_image_file: column "photo": a path must be that of a file'):
        SCHEMA.check(block)


def test_no_request_makes_the_process_open_a_file(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    monkeypatch.setattr(image, "file_bytes", lambda path: pytest.fail(f"opened {path}"))
    (photos / "abcd").write_bytes(file(RGB))  # whose name is base64 as well
    for path in (
        "photos/a.png",
        f"{photos}/photos/a.png",
        "../photos/a.png",
        "/etc/passwd",
        "file:///etc/passwd",
        "abcd",
    ):
        assert refused([path], GREY).code == "broken_image"
        assert "base64 of one" in str(refused([path], GREY))
        for rows in (pa.array([path]), pa.array([path]).dictionary_encode()):
            assert refused(rows, GREY).code == "broken_image"
        with pytest.raises(ValueError, match="broken_image"):
            SCHEMA.check(table_of(pd.DataFrame({"photo": [path]})))


# --- what is refused

BROKEN = {
    "nothing": b"",
    "text": b"not an image",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "TIFF": file(RGB, "TIFF"),
    "ICO": file(RGB, "ICO"),
    "PPM": file(RGB, "PPM"),
    "a header alone": file(RGB)[:40],
    "half a PNG": file(DRAW.integers(0, 256, (60, 60), dtype=np.uint8))[:1500],
    "half a JPEG": file(DRAW.integers(0, 256, (60, 60), dtype=np.uint8), "JPEG")[:1500],
    "half a WebP": file(DRAW.integers(0, 256, (60, 60), dtype=np.uint8), "WEBP")[:500],
    "half a GIF": file(DRAW.integers(0, 256, (60, 60), dtype=np.uint8), "GIF")[:1500],
    "no width": png(0, 5),
    "16 bits of grey": png(2, 1, depth=16, content=b"\0" + bytes(4)),
    "16 bits of colour": png(2, 1, depth=16, colour=2, content=b"\0" + bytes(12)),
    "16 bits with transparency": png(2, 1, depth=16, colour=6, content=b"\0" + bytes(16)),
}
HUGE = {
    "100,000 by 100,000": png(100_000, 100_000),
    "60 million pixels": png(10_000, 6_000),
    "20 MB": EXAMPLE + bytes(20 * 2**20),
}


@pytest.mark.parametrize(
    ("content", "code"),
    [(x, "broken_image") for x in BROKEN.values()] + [(x, "huge_image") for x in HUGE.values()],
    ids=[*BROKEN, *HUGE],
)
def test_what_is_no_image_is_refused_by_reason_row_and_count(content: bytes, code: str) -> None:
    cells = [EXAMPLE, content, EXAMPLE, None]
    problem = refused(cells, GREY)
    assert (problem.code, problem.bad, problem.total, problem.rows) == (code, 1, 4, (1,))
    assert problem.key == "data.fields.photo.invalid"
    assert len(str(problem)) < 700
    says = "PNG, JPEG, WEBP, BMP, GIF with 8 bits a channel" if code == "broken_image" else "50,000,000 pixels"
    assert says in str(problem)
    found = checked(cells, GREY, invalid="missing")
    assert found.counts["changed"] == {f"photo: {code} read as missing": 1}
    assert checked(cells, GREY, invalid="drop").counts["dropped"] == {f"photo: {code}": 1}
    if len(content) < 2**20:
        told = refused([base64_of(cell) if cell is not None else None for cell in cells], GREY)
        assert (told.code, told.bad, told.rows) == (code, 1, (1,))


def test_base64_of_more_bytes_than_a_file_may_have_is_refused_as_too_large_a_cell() -> None:
    from mlp_torch.errors import DataError

    with pytest.raises(DataError) as caught:
        checked([base64_of(HUGE["20 MB"])], GREY)
    assert {problem.code for problem in caught.value.problems} == {"huge_image", "cell_too_large"}
    assert "at most 22,369,685 bytes" in str(caught.value)  # not the 65,536 of other texts
    assert refused([base64_of(EXAMPLE + bytes(2**24 - len(EXAMPLE) + 1))], GREY).code == "huge_image"
    assert tensor([base64_of(EXAMPLE + bytes(2**20))], GREY).any()


@pytest.mark.parametrize("text", ["", "#", "iVBORw0KGgo", base64.encodebytes(file(RGB) * 3).decode(), "日本"])
def test_text_that_is_no_base64_is_refused(text: str) -> None:
    assert refused([text, base64_of(EXAMPLE)], GREY).code == "broken_image"
    assert ('na_values: [""]' in str(refused([text], GREY))) == (text == "")


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        (5, "wrong_type"),
        ([1, 2], "nested_value"),
        (np.zeros((4, 5), np.uint8), "nested_value"),
        ("\ud800", "invalid_unicode"),
    ],
    ids=repr,
)
def test_cells_of_other_types_are_refused(cell: object, code: str) -> None:
    problem = refused([cell, EXAMPLE], GREY)
    assert (problem.code, problem.bad, problem.rows) == (code, 1, (0,))
    if code != "invalid_unicode":
        assert "read as image must be the bytes of a file" in str(problem)


FILES = [
    file(RGB),
    file(RGB, "JPEG"),
    file(RGB, "WEBP"),
    file(RGB, "BMP"),
    file(Pillow.fromarray(RGB).quantize(9), "GIF"),
]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(FILES),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=8),
    st.integers(1, 400),
)
def test_damage_anywhere_in_a_file_gives_pixels_or_a_reason(content: bytes, flips: list[Any], length: int) -> None:
    damaged = bytearray(content[:length])
    for place, value in flips:
        damaged[place % len(damaged)] = value
    try:
        found = pixels(bytes(damaged), (3, 4, 5))
    except Unreadable:
        return
    assert len(found) == 60


# --- policies and hosts


def test_policies_say_what_becomes_of_missing_images() -> None:
    cells = [EXAMPLE, None, "NA"]
    assert checked(cells, GREY, na_values=["NA"]).counts["missing"] == {"photo": 2}
    assert checked(cells, GREY, na_values=["NA"], missing="drop").counts["dropped"] == {"photo: missing_value": 2}
    problem = refused(cells, GREY, na_values=["NA"], missing="error")
    assert (problem.code, problem.bad, problem.rows) == ("missing_value", 2, (1, 2))
    with pytest.raises(Exception, match='field "photo" must not be missing, however: 1 of 2 rows'):
        in_graph([None, base64_of(EXAMPLE)], GREY, missing="error")
    assert refused([None, None], GREY, training=True).code == "all_missing"


def test_without_rows_there_are_no_images() -> None:
    for kind in (pa.binary(), pa.large_binary(), pa.string(), pa.null()):
        assert tensor(pa.array([], kind), GREY).shape == (0, 1, 4, 5)
    assert tensor(pa.nulls(3, pa.binary()), COLOUR).sum() == 0


def test_pixels_are_the_same_in_records_eager_and_in_torchscript() -> None:
    told = [None if cell is None else base64_of(cell) for cell in [*CELLS, file(np.zeros((4, 5), np.uint8))]]
    found = assert_alike_in_graph(told, GREY)
    assert_same_bits({GREY.key: found[GREY.key][:3]}, WANTED)


def test_a_host_passes_pixels_in_the_wanted_shape() -> None:
    ask = graph(GREY)
    some = torch.randint(1, 256, (3, 1, 4, 5), dtype=torch.uint8)
    assert torch.equal(ask({"photo": some}, {})[GREY.key], some)
    for wrong in (some[0], some.float(), some[:, :, :3], some.expand(3, 3, 4, 5)):
        with pytest.raises(Exception, match='field "photo" must be uint8 of shape'):
            ask({"photo": wrong}, {})
    with pytest.raises(Exception, match='field "photo" must be given in `tensors`: pixels of shape'):
        ask({}, {"photo": ["photos/a.png"]})
