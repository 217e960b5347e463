"""ResNet, against the authors' own package."""

import pytest
import rtdl_revisiting_models as authors
import torch
from torch import nn

from mlp_torch.backbone.resnet import Normalization, ResNet

WIDTHS = {"age": 2, "city": 3}


def twins(*, dropout: float = 0.0, residual_dropout: float = 0.0) -> tuple[ResNet, authors.ResNet]:
    """Ours and the authors', of three blocks, with the same weights."""
    torch.manual_seed(0)
    ours = ResNet(WIDTHS, blocks=3, d_block=16, dropout=dropout, residual_dropout=residual_dropout)
    theirs = authors.ResNet(
        d_in=5,
        d_out=1,
        n_blocks=3,
        d_block=16,
        d_hidden_multiplier=2.0,
        dropout1=dropout,
        dropout2=residual_dropout,
    )
    theirs.output.linear = nn.Identity()  # that is the head's here
    theirs.input_projection.load_state_dict(ours.entry.state_dict())
    for block, other in zip([*ours.blocks, ours.exit], [*theirs.blocks, theirs.output], strict=True):
        for layer, another in zip(block, other, strict=False):
            another.load_state_dict(layer.state_dict())
    return ours, theirs


@pytest.mark.parametrize("dropouts", [{}, {"dropout": 0.3, "residual_dropout": 0.2}])
def test_it_gives_and_learns_what_the_authors_package_does(dropouts: dict[str, float]) -> None:
    ours, theirs = twins(**dropouts)
    for seed in range(3):  # so that the running statistics are others than at the start
        x = torch.randn(32, 5, generator=torch.Generator().manual_seed(seed)) * 2 + 1
        gradients = []
        for model in (ours, theirs):
            model.zero_grad()
            torch.manual_seed(seed)
            out = model(x)
            (out * torch.arange(16)).sum().backward()
            gradients.append([out.detach(), *(parameter.grad for parameter in model.parameters())])
        for mine, other in zip(*gradients, strict=True):
            assert torch.allclose(mine, other, rtol=1e-5, atol=1e-5)
    ours.eval()
    theirs.eval()
    assert torch.allclose(ours(x), theirs(x), rtol=1e-6, atol=1e-6)
    assert not torch.allclose(ours(x), twins()[1].eval()(x), atol=1e-2)  # before the running statistics were measured


def test_its_weights_start_as_the_authors_do() -> None:
    torch.manual_seed(1)
    ours = [p.detach().std() for p in ResNet({"x": 64}, d_block=96).parameters()]
    theirs = authors.ResNet(
        d_in=64, d_out=None, n_blocks=2, d_block=96, d_hidden_multiplier=2.0, dropout1=0.15, dropout2=0.0
    )
    for mine, other in zip(ours, [p.detach().std() for p in theirs.parameters()], strict=False):
        assert float(mine) == pytest.approx(float(other), rel=0.25)


def test_a_row_alone_is_measured_by_the_running_statistics_and_does_not_change_them() -> None:
    torch.manual_seed(0)
    norm, x = Normalization(4), torch.randn(16, 4)
    norm(x)
    state = {name: value.clone() for name, value in norm.state_dict().items()}
    alone = norm(x[:1])
    assert all(torch.equal(value, state[name]) for name, value in norm.state_dict().items())
    assert torch.equal(alone, norm.eval()(x[:1]))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"blocks": 0}, "blocks must be at least 1, however: blocks=0"),
        ({"d_block": 0}, "d_block must be at least 1, however: d_block=0"),
        ({"d_hidden": -1}, "d_hidden must be at least 1, however: d_hidden=-1"),
        ({"dropout": 1.0}, "dropout must be at least 0 and less than 1, however: dropout=1.0"),
        ({"residual_dropout": -0.1}, "residual_dropout must be at least 0 and less than 1, however: "),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ResNet(WIDTHS, **options)  # type: ignore[arg-type]
