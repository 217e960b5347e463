"""The look before training is readable, and remarks on a first loss that is far from the constant's."""

import re

import pytest
import tiny
import torch
from torch import nn

from mlp_torch.model import Single
from mlp_torch.training.data import Data
from mlp_torch.training.overfitting import cut, first_loss, overview, parameters, shown


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


def test_long_values_and_wide_features_are_cut():
    assert cut("x" * 60) == "x" * 60
    assert cut("x" * 61) == "x" * 59 + "…"
    assert shown(torch.tensor(5)) == "5"
    assert shown(torch.ones(6)) == "[1, 1, 1, 1, 1, 1]"
    assert shown(torch.ones(7)) == "[1, 1, 1, 1, 1, 1, … 7]"
    assert shown(torch.ones(1, 28, 28)) == "1×28×28"
