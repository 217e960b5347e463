"""What every column, backbone, head and model must hold on a device whose numbers the host does not see.

torch's `meta` device has shapes and no numbers: a step that mixes it with the CPU, or asks for a number to go on, fails
there. On a GPU it would fail too, or wait for a copy at every step.
"""

from typing import Any

import pytest
import test_contracts as columns
import test_contracts_backbones as backbones
import test_contracts_heads as heads
import test_contracts_models as models
import torch
from torch import Tensor, nn

from mlp_torch.head import Batch, Head
from mlp_torch.model import Encoder
from mlp_torch.training.batches import Batches, placed

META = torch.device("meta")


def step(module: nn.Module, loss: Tensor) -> None:
    """The rest of a training step."""
    assert loss.device == META
    loss.backward()  # type: ignore[no-untyped-call]
    learned = [p for p in module.parameters() if p.requires_grad]
    assert all(p.device == META and (p.grad is None or p.grad.device == META) for p in learned)


@columns.every_column
def test_a_step_through_a_column(make: columns.Make) -> None:
    transform = columns.fitted(make)
    encoder = Encoder({"x": transform.named_columns()["x"]}).to(META).train()
    features = transform(columns.training())
    assert all(x.dtype in (torch.float32, torch.int64, torch.uint8) for x in features.values())
    vectors = encoder({name: x.to(META) for name, x in features.items()})
    if vectors.requires_grad:
        step(encoder, (vectors.sum() + sum(encoder.penalties())))


@backbones.every_backbone
def test_a_step_through_a_backbone(kind: type[nn.Module], options: dict[str, Any]) -> None:
    body = backbones.built(kind, options).to(META).train()
    step(body, body(backbones.rows(64).to(META).requires_grad_()).sum())


@heads.every_head
def test_a_step_through_a_head(kind: type[Head], options: dict[str, Any]) -> None:
    data = heads.rows(kind, 64)
    head = heads.fitted(kind, options, data).to(META).train()
    batch = placed(data.batch(), META)
    out = head(batch.features["x"])
    step(head, head.loss(out, batch).sum())
    assert all(x.device == META for x in head.eval().predict(out).values())


@models.every_model
@models.every_head
def test_a_step_through_a_model(make: models.Make, kind: type[Head], options: dict[str, Any]) -> None:
    model, data = models.made(make, kind, options)
    features = {"x": data.x, **models.said_of(model, data)}
    batch = placed(data.batch()._replace(features=features), META)
    model = model.to(META)
    assert all(x.device == META for x in model.predict(model(batch.features)).values())
    model.train()
    if make not in (models.cascade, models.hard_cascade):  # whose parts have learned
        step(model, model.loss(model(batch.features), batch).sum())


@pytest.mark.parametrize("on_disk", [False, True])
def test_rows_go_to_the_device_a_table_or_a_buffer_at_a_time(monkeypatch: pytest.MonkeyPatch, on_disk: bool) -> None:
    monkeypatch.setattr("mlp_torch.training.batches.RUN", 4)
    monkeypatch.setattr("mlp_torch.training.batches.BUFFER", 40)
    n, moved = 100, []
    table = Batch({"x": torch.arange(n)}, torch.arange(n).double(), torch.ones(n), torch.arange(n))

    def placed_here(some: Batch, device: torch.device) -> Batch:
        moved.append(len(some.y))
        return placed(some, device)

    monkeypatch.setattr("mlp_torch.training.batches.placed", placed_here)
    release = (lambda: None) if on_disk else None
    batches = list(Batches(table, 7, at=lambda: (0, 0), release=release, device=META))
    assert [len(batch.y) for batch in batches] == [7] * 14 + [2]
    assert all(x.device == META for batch in batches for x in [*batch.features.values(), *batch[1:]])
    assert sorted(rows for rows in moved if rows) == ([20, 40, 40] if on_disk else [100, 100])  # at first, and as it is
