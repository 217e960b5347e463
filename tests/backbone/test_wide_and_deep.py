"""Wide and deep."""

import pytest
import torch

from mlp_torch.backbone.mlp import MLP
from mlp_torch.backbone.wide_and_deep import WideAndDeep

WIDTHS = {"age": 2, "route": 1, "city": 3, "hour": 2}


def test_wide_columns_pass_through_and_the_others_go_through_an_mlp() -> None:
    torch.manual_seed(0)
    model = WideAndDeep(WIDTHS, wide=["hour", "route"], hidden=[7, 4])
    mlp = MLP({"age": 2, "city": 3}, hidden=[7, 4])
    mlp.load_state_dict(model.deep.state_dict())
    age, route, city, hour = torch.randn(9, 2), torch.randn(9, 1), torch.randn(9, 3), torch.randn(9, 2)
    out = model(torch.cat([age, route, city, hour], dim=1))
    assert model.d_out == 1 + 2 + 4
    assert torch.equal(out, torch.cat([route, hour, mlp(torch.cat([age, city], dim=1))], dim=1))


def test_a_column_of_several_parts_is_wide_as_a_whole_or_in_part() -> None:
    widths = {"n.age": 2, "n.size": 1, "nn": 3}
    x = torch.arange(6.0).unsqueeze(0)
    for wide, passed in ((["n"], [0.0, 1.0, 2.0]), (["n.size"], [2.0]), (["n.size", "nn"], [2.0, 3.0, 4.0, 5.0])):
        out = WideAndDeep(widths, wide=wide, hidden=[4])(x)
        assert out[0, : len(passed)].tolist() == passed
        assert out.shape == (1, len(passed) + 4)


def test_behind_a_linear_head_a_wide_code_adds_its_own_weight_to_the_logit() -> None:
    torch.manual_seed(0)
    model, head = WideAndDeep(WIDTHS, wide=["route"], hidden=[4]), torch.nn.Linear(5, 1)
    x = torch.randn(6, 8)
    moved = x.clone()
    moved[:, 2] += 2
    difference = head(model(moved)) - head(model(x))
    assert torch.allclose(difference, (2 * head.weight[0, 0]).expand(6, 1), atol=1e-6)


@pytest.mark.parametrize("wide", [[], ["nowhere"], ["route", "nowhere"], list(WIDTHS)])
def test_wide_must_name_columns_and_leave_some(wide: list[str]) -> None:
    with pytest.raises(
        ValueError, match=r"wide must name some of the columns \(age, route, city, hour\) and leave some"
    ):
        WideAndDeep(WIDTHS, wide=wide, hidden=[4])
