"""A handful of rows is learned by heart, or the cause why not is named, one by one; a sound model has none."""

import re

import pyarrow as pa
import pytest
import tiny
import torch
from torch import nn

from mlp_torch.backbone.mlp import MLP
from mlp_torch.ingest.source import Frame
from mlp_torch.model import Encoder, Single
from mlp_torch.problem.classification import Binary
from mlp_torch.problem.regression import Regression
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.split import ByFingerprint
from mlp_torch.target import Category, Number
from mlp_torch.training.by_heart import by_heart
from mlp_torch.training.data import Data
from mlp_torch.training.freezing import planned


@pytest.fixture
def data() -> Data:
    return tiny.data()


@pytest.fixture
def model(data) -> Single:
    torch.manual_seed(0)
    return tiny.model(data)


def losses(line: str) -> list[float]:
    return [float(text) for text in re.findall(r"-?\d+\.\d{4}", line)]


def test_a_sound_model_learns_32_rows_by_heart(data, model):
    (line,) = by_heart(model, data)
    before, after = losses(line)
    assert line.startswith("32 rows by heart: yes; loss ")
    assert line.endswith(" in 500 steps")
    assert after < before / 10


def test_fewer_rows_than_32_are_all_taken(model):
    data = tiny.data(rows=40)
    (line,) = by_heart(tiny.model(data), data)
    assert line.startswith(f"{min(32, len(data.tables['train'].y))} rows by heart")


class Cut(nn.Module):
    """A layer that lets no gradient through."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner, self.d_out = inner, inner.d_out

    def forward(self, x):
        return self.inner(x.detach())


def test_a_part_that_no_gradient_reaches_is_named(data, model):
    model.backbone = Cut(model.backbone)
    found = by_heart(model, data)
    assert re.search(r"^  no gradient reaches encoder\.layers\.city\.table\.weight, ", "\n".join(found), re.M)
    assert "backbone" not in found[-1]
    assert "head" not in found[-1]


class Dead(nn.Module):
    """Units that are always off."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner, self.d_out = inner, inner.d_out

    def forward(self, x):
        return torch.relu(self.inner(x) - 1e6)


def test_dead_units_are_named_by_what_they_keep_from_learning(data, model):
    model.backbone = Dead(model.backbone)
    first, second, third = by_heart(model, data)
    assert first.startswith("32 rows by heart: NO: see below; loss ")
    assert "backbone.inner" in second
    assert third == "  dead units: backbone: 8 of 8 units are 0 for all rows; at the start 8"


def test_a_layer_whose_units_are_off_from_the_start_is_named(data, model):
    nn.init.constant_(model.backbone.layers[3].bias, -1e6)
    found = by_heart(model, data)
    assert found[0].startswith("32 rows by heart: NO: see below; loss ")
    assert found[-1] == "  dead units: backbone.layers.4: 8 of 8 units are 0 for all rows; at the start 8"


def test_units_that_die_of_a_huge_scale_are_named_beside_it(data, model):
    torch.manual_seed(1)
    for table in data.tables.values():
        table.features["age"].mul_(1e9)
    found = by_heart(model, data)
    assert found[0].startswith("32 rows by heart: NO: see below; loss ")
    (scale,) = [line for line in found if "huge scale" in line]
    assert re.fullmatch(r"  huge scale: features of age reach \de\+09; take a column .*", re.sub(r"\.\d+", "", scale))


def test_a_model_of_which_next_to_nothing_is_left_to_learn_names_the_globs(data, model):
    plan = planned(model, freeze=["encoder.*", "backbone.*", "head.output.weight"])
    plan.begin(model, epoch=1)
    found = by_heart(model, data, plan)
    assert found[0].startswith("32 rows by heart: NO: see below; loss ")
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    total = sum(sizes.values())
    globs = f"freeze encoder.*: {sizes['encoder']:,}, freeze backbone.*: {sizes['backbone']:,}"
    assert found[-1] == (
        f"  frozen: {total - 1:,} of {total:,} numbers do not learn ({globs}, freeze head.output.weight: 8)"
    )


def test_a_frozen_encoder_below_a_backbone_that_learns_is_no_cause(data, model):
    plan = planned(model, freeze=["encoder.*"])
    plan.begin(model, epoch=1)
    assert len(by_heart(model, data, plan)) == 1


def test_labels_that_are_shuffled_are_hinted_at_though_the_rows_are_learned():
    data = tiny.data(rows=5000)
    torch.manual_seed(0)
    assert len(by_heart(tiny.model(data), data)) == 1
    y = data.tables["train"].y
    y[:] = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(3))]
    first, second, third = by_heart(tiny.model(data), data)
    assert first.startswith("32 rows by heart: yes; loss ")
    assert re.fullmatch(r"  hint: after [\d,]+ rows were learned, [\d,]+ others stay at the constant's loss:", second)
    assert third == "    labels look shuffled, or what columns read tells next to nothing of them"


def test_of_few_rows_luck_is_not_told_from_shuffling(data, model):
    y = data.tables["train"].y
    y[:] = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(3))]
    assert len(by_heart(model, data)) == 1


def test_numbers_that_are_shuffled_are_hinted_at_and_sound_ones_are_not():
    x = torch.randn(6, 3000, generator=torch.Generator().manual_seed(0))
    y = 3 * x[0] - x[1] + 1
    told = []
    for order in (torch.arange(3000), torch.randperm(3000, generator=torch.Generator().manual_seed(1))):
        fields = {f"x{i}": row.tolist() for i, row in enumerate(x)}
        table = pa.table({"id": [f"r{i}" for i in range(3000)], **fields, "y": y[order].tolist()})
        columns = {name: Scaled(name) for name in fields}
        data = Data(Frame(table), columns, Number("y"), ByFingerprint(["id"], val=0.1, test=0.1), key=["id"]).prepare()
        told.append(by_heart(of_numbers(data), data))
    assert [line[:23] for line in told[0]] == ["32 rows by heart: yes; "]
    assert [line[:14] for line in told[1]] == ["32 rows by hea", "  hint: after ", "    labels loo"]


def of_numbers(data: Data) -> Single:
    """A network for a number."""
    torch.manual_seed(0)
    encoder = Encoder(data.transform.named_columns())
    backbone = MLP(encoder.widths, hidden=[64, 64])
    head = Regression(backbone.d_out, data.target)
    head.fit(data.tables["train"].y, data.tables["train"].weight)
    return Single(encoder, backbone, head)


def test_a_target_that_differs_between_rows_that_are_nearly_equal_is_named():
    ages = [40.0 + 1e-6 * (i % 2) + 10 * (i // 2 % 2) for i in range(1200)]
    table = pa.table({"id": tiny.table()["id"], "age": ages, "late": ["late", "on time"] * 600})
    split = ByFingerprint(["id"], val=0.2, test=0.2, calibration=0.1)
    data = Data(Frame(table), {"age": Scaled("age")}, Category("late"), split).prepare()
    found = by_heart(tiny.model(data), data)
    assert found[0].startswith("32 rows by heart: NO: see below")
    assert any(re.match(r"  target noise: \d+ of the rows are nearly equal to another", line) for line in found)


def test_a_head_that_starts_at_zero_is_not_called_dead(data, model):
    nn.init.zeros_(model.head.output.weight)  # in the first step no gradient passes it
    assert len(by_heart(model, data)) == 1


def test_frozen_parts_are_not_called_dead(data, model):
    model.encoder.requires_grad_(False)
    assert not [line for line in by_heart(model, data) if "no gradient" in line]


def test_a_model_that_is_frozen_altogether_is_named(data, model):
    model.requires_grad_(False)
    assert by_heart(model, data) == ["32 rows by heart: NO: every parameter is frozen"]


def test_a_loss_that_no_parameter_takes_part_in_is_named(data, model):
    model.forward = lambda features: torch.zeros(len(features["age"]), 1)
    first, second = by_heart(model, data)
    assert first.startswith("32 rows by heart: NO: see below")
    assert second.startswith("  no gradient reaches encoder")


def test_a_loss_that_is_no_number_is_named(data, model):
    data.tables["train"].features["age"][:] = torch.inf
    assert by_heart(model, data) == [
        "32 rows by heart: NO: the loss is not finite; loss nan → nan in 500 steps",
        "  not finite: features of age in 32 of the rows",
        "  the loss is not finite from the start: look at the values of features and of the target",
    ]


def test_labels_that_contradict_each_other_are_named():
    labels = ["late", "on time"] * 600
    table = pa.table({"id": tiny.table()["id"], "city": ["Oslo"] * 1200, "late": labels, "age": [1.0, 1.0] * 600})
    split = ByFingerprint(["id"], val=0.2, test=0.2, calibration=0.1)
    columns = {"city": Embedding("city", dim=2), "age": Scaled("age")}
    data = Data(Frame(table), columns, Category("late"), split).prepare()
    encoder = Encoder(data.transform.named_columns())
    backbone = nn.Linear(encoder.d_out, 4)
    model = Single(encoder, backbone, Binary(4, data.target))
    found = by_heart(model, data)
    assert found[0].startswith("32 rows by heart: NO: see below")
    assert found[-1] == "  32 of the rows are equal to another in all features but not in the target"
