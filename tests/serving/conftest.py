"""One small real model for all tests of serving: two numbers, two categories, a binary target, learned in a second."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import tiny
import torch

from mlp_torch.backbone.mlp import MLP
from mlp_torch.column import Sample
from mlp_torch.head import Batch
from mlp_torch.ingest.inputs import table_of, to_inputs, words_of
from mlp_torch.ingest.schema import Schema
from mlp_torch.model import Encoder, Single
from mlp_torch.problem.classification import Binary
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.transform import Transform
from mlp_torch.serving.export import ServingFunction, export
from mlp_torch.serving.predictor import Predictor
from mlp_torch.target import AtLeast

POLICIES = {
    "distance": {"min": 0, "max": 10_000},
    "carrier": {"missing": "drop"},  # of training rows; a served row cannot be dropped
}


def rows(n: int = 200) -> list[dict[str, object]]:
    """Flights whose delay is decided by distance and origin; some distances are missing."""
    return [
        {
            "distance": None if i % 20 == 7 else 100.0 + 7 * i,
            "hour": i % 24,
            "origin": ("JFK", "LGA", "EWR")[i % 3],
            "carrier": ("UA", "日本")[i % 2],
            "delay": float(i % 3 * 20 - 10),
        }
        for i in range(n)
    ]


def build(folder: Path, formats: Sequence[str] = ("torchscript",)) -> Path:
    """Fits, trains a few steps and exports."""
    columns = {
        "distance": Scaled("distance"),
        "hour": Scaled("hour"),
        "origin": Embedding("origin", dim=3),
        "carrier": Embedding("carrier", dim=2),
    }
    transform, target = Transform(columns), AtLeast("delay", 15, classes=("on_time", "late"))
    full = Schema.of([*transform.reads, *target.reads.values()], POLICIES)
    checked = full.check(table_of(rows()), training=True)
    inputs, words = to_inputs(checked, full.reads.values()), words_of(checked)
    y, weight = target.encode(inputs), torch.ones(200)
    features = transform.fit(Sample(inputs, y, words))(inputs)
    torch.manual_seed(0)
    encoder = Encoder(transform.named_columns())
    backbone = MLP(encoder.widths, hidden=[8])
    head = Binary(backbone.d_out, target)
    head.fit(y, weight)
    model = Single(encoder, backbone, head)
    learn(model, Batch(features, y, weight, torch.arange(200)))
    schema = full.subset(transform.reads).learn(inputs, words)
    serving = ServingFunction(schema, transform, model, name="tiny")
    constant = (head.constant(y, weight), head)
    return export(serving, folder, target=target, constant=constant, metrics={}, data="0" * 64, formats=formats)


def learn(model: Single, batch: Batch) -> None:
    """Enough that an answer depends on each field."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(10):
        optimizer.zero_grad()
        model.loss(model(batch.features), batch).mean().backward()
        optimizer.step()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("run") / "model")


@pytest.fixture(scope="session")
def predictor(folder: Path) -> Predictor:
    return tiny.loaded(folder)  # answers are compared within one batch size here
