"""The look before training is readable and names what is wrong with a model that cannot learn a handful of rows."""

import re

import pyarrow as pa
import pytest
import tiny
import torch
from torch import nn

from mlp_torch.ingest.source import Frame
from mlp_torch.model import Encoder, Single
from mlp_torch.problem.classification import Binary
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.numbers import Scaled
from mlp_torch.reproducibility.split import ByFingerprint
from mlp_torch.target import Category
from mlp_torch.training.data import Data
from mlp_torch.training.overfitting import by_heart, contradictions, cut, first_loss, overview, parameters, shown


@pytest.fixture
def data() -> Data:
    return tiny.data()


@pytest.fixture
def model(data) -> Single:
    torch.manual_seed(0)
    return tiny.model(data)


def losses(line: str) -> list[float]:
    return [float(text) for text in re.findall(r"-?\d+\.\d{4}", line)]


def test_the_overview_fits_a_terminal_and_names_every_column_and_part(data, model):
    lines = overview(data, model).split("\n")
    assert max(map(len, lines)) <= 100
    for name, column in data.transform.named_columns().items():
        assert f"  {name}: {type(column).__name__}, width {column.dim}" in lines
    assert [line.split()[0] for line in lines if re.search(r"^  \w+ .* [\d,]+$", line)][:2] == ["encoder", "backbone"]


def test_three_training_rows_are_shown_as_raw_values_beside_their_features(data, model):
    lines = overview(data, model).split("\n")
    at = lines.index("  city: Embedding, width 4")
    codes = data.tables["train"].features["city"][:3].tolist()
    cities = [tiny.table()["city"][int(name.as_py()[1:])].as_py() for name in data.keys["train"]["id"][:3]]
    shown = ["missing" if city is None else repr(city) for city in cities]
    assert lines[at + 1 : at + 4] == [f"    {city} → {code}" for city, code in zip(shown, codes, strict=True)]


def test_a_cross_of_two_parts_of_one_time_shows_it_once(data, model):
    lines = overview(data, model).split("\n")
    at = lines.index("  city_hour: Crossed, width 4")
    assert re.fullmatch(r"    '.*', 2024-\d\d-\d\dT\d\d:00:00 → \d+", lines[at + 1])


def test_parameters_are_counted_by_part_and_frozen_ones_apart(model):
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    model.encoder.requires_grad_(False)
    lines = parameters(model)
    assert lines[1].split() == ["encoder", "0", "and", str(count["encoder"]), "frozen"]
    assert lines[2].split() == ["backbone", str(count["backbone"])]
    assert lines[4].split()[:4] == ["in", "all", str(count["backbone"] + count["head"]), "and"]


def test_the_first_loss_is_near_the_constants(data, model):
    (line,) = first_loss(model, data)
    first, expected = losses(line)
    y = data.tables["train"].y
    share = y.mean()
    assert expected == pytest.approx(-float(share * share.log() + (1 - share) * (1 - share).log()), abs=1e-4)
    assert first == pytest.approx(expected, abs=0.02)
    assert "they should be near" not in line


def test_a_first_loss_far_from_the_constants_is_remarked_on(data, model):
    nn.init.constant_(model.head.output.bias, 10.0)
    (line,) = first_loss(model, data)
    assert line.endswith("they should be near: look for features of a huge scale, or a head that was not fitted")


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
    first, second = by_heart(model, data)
    assert first.startswith("32 rows by heart: NO: see below; loss ")
    assert "backbone.inner" in second


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
    assert by_heart(model, data)[0].startswith("32 rows by heart: NO: the loss is not finite")


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


def test_rows_are_contradictory_only_if_all_features_agree_and_targets_differ(data):
    table = data.tables["train"]
    assert contradictions(table) == 0
    features = {"a": torch.tensor([1, 1, 1, 2, 2]), "b": torch.tensor([[0.5], [0.5], [0.6], [1.0], [1.0]])}
    y = torch.tensor([0.0, 1.0, 0.0, 1.0, 1.0]).double()
    assert contradictions(table._replace(features=features, y=y)) == 2
    assert contradictions(table._replace(features=features, y=torch.zeros(5))) == 0


def test_long_values_and_wide_features_are_cut():
    assert cut("x" * 60) == "x" * 60
    assert cut("x" * 61) == "x" * 59 + "…"
    assert shown(torch.tensor(5)) == "5"
    assert shown(torch.ones(6)) == "[1, 1, 1, 1, 1, 1]"
    assert shown(torch.ones(7)) == "[1, 1, 1, 1, 1, 1, … 7]"
    assert shown(torch.ones(1, 28, 28)) == "1×28×28"
