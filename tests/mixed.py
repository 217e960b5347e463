"""A small table with a field of each kind that holds several values, in the forms that files, frames and requests have.

`typed` as Parquet holds it: lists, maps, vectors and bytes; `told` as a CSV does: separators, JSON and paths of files;
`asked` as JSON of a request does: lists, objects and base64.
"""

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from PIL import Image as Pillow
from torch import nn

from mlp_torch.backbone.mlp import MLP
from mlp_torch.column import Column
from mlp_torch.ingest.source import Frame
from mlp_torch.model import Encoder, Single
from mlp_torch.problem.classification import Binary
from mlp_torch.representation.finetuned import FinetunedImage
from mlp_torch.representation.images import Image, ImageFeatures
from mlp_torch.representation.maps import HashedMap
from mlp_torch.representation.numbers import Scaled
from mlp_torch.representation.sets import HashedSet, MultiHot, Set
from mlp_torch.representation.text import HashedText, Text, TextStatistics
from mlp_torch.representation.vectors import Vector
from mlp_torch.reproducibility.split import ByFingerprint
from mlp_torch.target import Category
from mlp_torch.training.data import Data

WORDS = ["good", "bad", "naïve", "film", "日本", "The", "a", "1999", "plot!", "why?"]
TAGS = ["Action", "Drama", "Film-Noir", "喜劇"]
NAMES = ["clicks", "bids", "ünit"]
FIELDS = ("title", "tags", "bids", "v", "photo", "age")
SIZE = (1, 8, 8)


def columns() -> dict[str, Column]:
    """One of each kind; the fields that they share are read once."""
    return {
        "words": Text("title", max_tokens=6, dim=4),
        "pairs": HashedText("title", 40, max_tokens=6, ngrams=2, dim=4, pool="attention"),
        "style": TextStatistics("title"),
        "tags": Set("tags", max_tokens=3, dim=3),
        "tag_buckets": HashedSet("tags", 20, max_tokens=3, dim=3, pool="sum"),
        "tag_marks": MultiHot("tags", max_tokens=3),
        "bids": HashedMap("bids", 30, max_names=3, dim=3),
        "v": Vector("v", 3),
        "photo": Image("photo", size=SIZE, dim=4, channels=8),
        "frozen": ImageFeatures("photo", size=SIZE, trunk=trunk()),
        "tuned": FinetunedImage("photo", size=SIZE, trunk=trunk(), cut="2"),
        "age": Scaled("age"),
    }


def trunk() -> nn.Sequential:
    """A network that was trained elsewhere, as it were: always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        convolutions = [nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 3), nn.ReLU()]
        return nn.Sequential(*convolutions, nn.AvgPool2d(4), nn.Flatten())


def png(pixels: Any) -> bytes:
    """Pixels as a file."""
    file = io.BytesIO()
    Pillow.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
    return file.getvalue()


def rows(n: int = 600, seed: int = 0) -> list[dict[str, Any]]:
    """Records whose `late` depends on each field; one cell in twenty is missing."""
    draw = np.random.default_rng(seed)
    return [row(f"r{i}", draw) for i in range(n)]


def row(name: str, draw: np.random.Generator) -> dict[str, Any]:
    """One record."""
    words = [WORDS[i] for i in draw.integers(0, len(WORDS), draw.integers(0, 9))]
    tags = [tag for tag in TAGS if draw.random() < 0.4]
    bids = {name: round(float(draw.normal()), 3) for name in NAMES if draw.random() < 0.6}
    v = draw.normal(size=3).astype(np.float32)
    light, age = int(draw.integers(0, 256)), round(float(draw.normal(40, 12)), 2)
    photo = png(np.clip(draw.normal(light, 30, size=(9, 10)), 0, 255))
    score = words.count("good") - words.count("bad") + ("Drama" in tags) + bids.get("clicks", 0) + v[0]
    score += light / 128 - 2 + (age - 40) / 12
    found = {"title": " ".join(words), "tags": tags, "bids": bids, "v": v.tolist(), "photo": photo, "age": age}
    kept = {field: None if draw.random() < 0.05 else value for field, value in found.items()}
    return {"id": name, **kept, "late": "late" if score > 0 else "on time"}


TYPES = {
    "tags": pa.list_(pa.string()),
    "bids": pa.map_(pa.string(), pa.float64()),
    "v": pa.list_(pa.float32(), 3),
    "photo": pa.binary(),
}


def typed(records: list[dict[str, Any]]) -> pa.Table:
    """As Parquet holds them."""
    kept = [{**row, "bids": None if row["bids"] is None else list(row["bids"].items())} for row in records]
    return pa.table({name: pa.array([row[name] for row in kept], TYPES.get(name)) for name in records[0]})


def told(records: list[dict[str, Any]], folder: Path) -> list[dict[str, str | None]]:
    """As a CSV holds them; images are files of the folder."""
    found = []
    for record in records:
        cells = {**record}
        if record["photo"] is not None:
            (folder / "photos").mkdir(exist_ok=True)
            (folder / "photos" / f"{record['id']}.png").write_bytes(record["photo"])
            cells["photo"] = f"photos/{record['id']}.png"
        for name in ("bids", "v"):
            cells[name] = None if cells[name] is None else json.dumps(cells[name])
        cells["tags"] = None if cells["tags"] is None else ", ".join(cells["tags"])
        found.append({name: None if value is None else str(value) for name, value in cells.items()})
    return found


def asked(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As a request holds them."""
    told = [base64.b64encode(row["photo"]).decode() if row["photo"] is not None else None for row in records]
    return [{**row, "photo": photo} for row, photo in zip(records, told, strict=True)]


def csv(path: Path, records: list[dict[str, Any]]) -> Path:
    """A CSV file of them, with the images beside it; every cell that holds something is quoted."""
    cells = told(records, path.parent)
    lines = [",".join("" if cell is None else quoted(cell) for cell in row.values()) for row in cells]
    path.write_text("\n".join([",".join(cells[0]), *lines]) + "\n", encoding="utf8")
    return path


def quoted(cell: str) -> str:
    """A cell in quotes."""
    return '"' + cell.replace('"', '""') + '"'


def unprepared(n: int = 600, **options: Any) -> Data:
    """The table before anything is read."""
    return Data(
        Frame(typed(rows(n))),
        columns(),
        Category("late", classes=["on time", "late"]),
        ByFingerprint(["id"], val=0.2, test=0.2, calibration=0.1),
        key=["id"],
        **{"batch_size": 64, **options},
    )


def model(prepared: Data) -> Single:
    """A small network for these tables."""
    encoder = Encoder(prepared.transform.named_columns())
    backbone = MLP(encoder.widths, hidden=[16], dropout=0.2)
    head = Binary(backbone.d_out, prepared.target)
    head.fit(prepared.tables["train"].y, prepared.tables["train"].weight)
    return Single(encoder, backbone, head)
