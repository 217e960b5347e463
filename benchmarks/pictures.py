"""The pictures below docs/, from real rows and from models that were trained on them.

mlp_torch data && python benchmarks/quality.py embedding feature_cross scaling numerical_embedding reviews image
python benchmarks/pictures.py [RUNS]      # where these runs lie; by default runs/quality
"""

import base64
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from matplotlib.figure import Figure

import mlp_torch
from mlp_torch import files
from mlp_torch.column import Sample
from mlp_torch.datasets.california import California
from mlp_torch.datasets.fashion_mnist import FashionMnist, png
from mlp_torch.datasets.flights import Flights
from mlp_torch.datasets.reviews import Reviews
from mlp_torch.ingest.fingerprint import bigquery_bucket, fingerprints
from mlp_torch.profile.before_after import COLORS, grid, pairs
from mlp_torch.representation.normality import CHAINS, PLAIN, advised, ranked
from mlp_torch.representation.numbers import Scaled
from mlp_torch.representation.numerical_embeddings import PiecewiseLinear
from mlp_torch.representation.steps import ZScore
from mlp_torch.reproducibility.transform import Transform

DOCS = Path(__file__).parents[1] / "docs"
SKEWED = ["MedInc", "AveRooms", "AveBedrms", "Population", "AveOccup", "HouseAge"]
FLIGHT = {"carrier": "UA", "tailnum": "N14228", "origin": "EWR", "dest": "IAH", "distance": 1400, "temp": 39.0}
FLIGHT |= {
    "dewp": 28.0,
    "humid": 64.0,
    "wind_dir": 260,
    "wind_speed": 12.7,
    "precip": 0.0,
    "pressure": 1012.0,
    "visib": 10,
}
AIRPORTS = ("JFK", "EWR", "LGA", "ATL", "BOS", "ORD", "SFO", "LAX", "MIA", "SEA", "DEN", "PHX", "BUF", "MCO", "HNL")


def main(runs: Path) -> None:
    """Writes them all."""
    save("numbers", numbers())
    save("numerical_embeddings", numerical_embeddings(runs))
    save("categories", categories(runs))
    save("words", words(runs))
    save("images", images(runs))


def save(name: str, figure: Figure) -> None:
    """One picture."""
    files.write(DOCS / f"{name}.png", partial(figure.savefig, format="png", metadata={"Software": None}))


def of(runs: Path, experiment: str) -> Any:
    """The model of an experiment's first seed."""
    return mlp_torch.load(newest(runs, experiment) / "model")


def newest(runs: Path, experiment: str) -> Path:
    """The run of an experiment's first seed."""
    return sorted(runs.glob(f"{experiment}/*-sweep/seed-0"))[-1]


def panels(n: int, width: float = 3.4) -> tuple[Figure, list[Any]]:
    """A figure of axes side by side."""
    figure = Figure(figsize=(width * n, 3.0), dpi=90, layout="constrained")
    return figure, [figure.add_subplot(1, n, i + 1) for i in range(n)]


def numbers() -> Figure:
    """Numbers before and after the chain that is advised for each."""
    table = California().read().table
    inputs = {name: torch.tensor(np.asarray(table[name])) for name in SKEWED}
    columns = {}
    for name, x in inputs.items():
        chain = advised(ranked(x))
        columns[name] = Scaled(name, steps=[*([] if chain == PLAIN else [CHAINS[chain]()]), ZScore()], clip=10)
    transform = Transform(columns).fit(Sample(inputs, torch.zeros(len(table)), lambda read: []))
    return grid(pairs(transform, inputs))


def numerical_embeddings(runs: Path) -> Figure:
    """A number's components, and the prices along a line of latitude by a model without and one with them."""
    table = California().read().table.to_pandas()
    figure, (left, right) = panels(2, 4.6)
    x = torch.tensor(table["MedInc"].to_numpy())
    column = PiecewiseLinear("MedInc", bins=6)
    column.fit(Sample({"MedInc": x}, torch.zeros(len(x)), lambda read: []))
    column.resize()
    grid = torch.linspace(0.5, 12, 400, dtype=torch.float64)
    left.plot(grid, column.layer()(column.encode({"MedInc": grid})).detach())
    income = float(table["MedInc"][0])
    left.axvline(income, color="black", lw=0.8, ls=":")
    left.set(title=f"six components of MedInc; this house's is {income:.2f}", xlabel="MedInc, $10,000")
    house = table.drop(columns="MedHouseVal").iloc[0].to_dict() | {"Latitude": 34.05}
    places = np.linspace(-118.6, -117.8, 161)
    for color, experiment in zip(COLORS, ("scaling", "numerical_embedding"), strict=True):
        prices = of(runs, experiment).predict([house | {"Longitude": float(place)} for place in places])
        right.plot(places, [row["prediction"] for row in prices], color=color, label=experiment)
    right.set(title="the same house, moved through Los Angeles", xlabel="longitude", ylabel="price, $100,000")
    right.set_xticks([-118.6, -118.2, -117.8])
    right.legend(fontsize=8)
    return figure


def categories(runs: Path) -> Figure:
    """Vectors of airports, how full the buckets of aeroplanes are, and what a cross of weekday and hour has learned."""
    figure, (vectors, loads, crosses) = panels(3, 4.0)
    table = pq.read_table(newest(runs, "embedding") / "embeddings" / "airport.parquet").to_pandas()
    points = np.stack(table["vector"].to_list())
    _, _, axes = np.linalg.svd(points - points.mean(0), full_matrices=False)
    flat = (points - points.mean(0)) @ axes[:2].T
    vectors.scatter(*flat.T, s=8, color=COLORS[0], alpha=0.5)
    for name, place in zip(table["word"], flat, strict=True):
        if name in AIRPORTS:
            vectors.annotate(name, place, fontsize=7)
    vectors.set(title="airports: two main axes of 8 numbers", xticks=[], yticks=[])
    tails = Flights().read().table["tailnum"].drop_null().unique().to_pylist()
    buckets = bigquery_bucket(fingerprints(tails), 1000).tolist()
    held = Counter(Counter(buckets)[bucket] for bucket in range(1000))
    rate = len(tails) / 1000
    chance = [1000 * np.exp(-rate) * rate**k / np.prod(np.arange(1, k + 1), dtype=float) for k in range(max(held) + 1)]
    loads.bar(list(held), list(held.values()), color=COLORS[0], label="found")
    loads.plot(chance, "o-", ms=3, color=COLORS[1], label="by chance")
    loads.set(title=f"{len(tails):,} aeroplanes, 1,000 buckets", xlabel="aeroplanes in a bucket", ylabel="buckets")
    loads.legend(fontsize=8)
    hours = [f"2013-12-{day:02}T{hour:02}:00" for day in range(2, 9) for hour in range(5, 24)]
    found = of(runs, "feature_cross").predict([FLIGHT | {"scheduled": at} for at in hours])
    late = np.reshape([row["probability"] for row in found], (7, 19))
    picture = crosses.imshow(late, aspect="auto", extent=(5, 24, 7, 0), cmap="viridis")
    crosses.set(title="one flight late, by weekday × hour", xlabel="scheduled hour", yticks=np.arange(7) + 0.5)
    crosses.set_yticklabels(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    figure.colorbar(picture, ax=crosses)
    return figure


def words(runs: Path) -> Figure:
    """What each word of a review adds to the log-odds: with it against without it."""
    model, table = of(runs, "reviews"), Reviews().read().table.to_pandas()
    texts = table[(table["recommended"].astype(str) == "0") & table["review"].str.len().between(60, 110)]
    row = texts.drop(columns=["recommended", "rating"], errors="ignore").iloc[0].to_dict()
    parts = row["review"].split()
    asked = [row, *(row | {"review": " ".join(parts[:i] + parts[i + 1 :])} for i in range(len(parts)))]
    p = np.array([found["probability"] for found in model.predict(asked)])
    odds = np.log(p / (1 - p))
    figure, (axes,) = panels(1, 7.0)
    adds = odds[0] - odds[1:]
    axes.bar(range(len(parts)), adds, color=[COLORS[int(add > 0)] for add in adds])
    axes.set_xticks(range(len(parts)), parts, rotation=60, ha="right", fontsize=8)
    axes.set(title=f"recommended? {p[0]:.0%}; what each word adds to the log-odds")
    axes.axhline(0, color="black", lw=0.8)
    return figure


def images(runs: Path) -> Figure:
    """A picture as it is read, and how its class loses where a patch is grey."""
    model, table = of(runs, "image"), FashionMnist().read().table
    row = next(row for row in table.slice(60_000).to_pylist() if row["label"] == "Ankle boot")
    pixels = torch.from_numpy(np.array(_decoded(row["image"])))
    figure, (left, right) = panels(2, 3.4)
    left.imshow(pixels, cmap="gray")
    asked, width = [], 7
    for at in range(0, 28, width):
        for across in range(0, 28, width):
            hidden = pixels.clone()
            hidden[at : at + width, across : across + width] = 128
            asked.append({"image": base64.b64encode(png(hidden.numpy())).decode()})
    labels = model.predict([{"image": base64.b64encode(row["image"]).decode()}])[0]
    left.set(title=f"28 × 28 pixels: {labels['label']}", xticks=[], yticks=[])
    index = labels["class"]
    found = np.reshape([answer["probabilities"][index] for answer in model.predict(asked)], (4, 4))
    picture = right.imshow(found, vmin=0, vmax=1, cmap="viridis")
    right.set(title="its probability, a patch grey", xticks=[], yticks=[])
    figure.colorbar(picture, ax=right)
    return figure


def _decoded(content: bytes) -> Any:
    """A file's pixels."""
    import io

    from PIL import Image

    return Image.open(io.BytesIO(content))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS.parent / "runs" / "quality")
