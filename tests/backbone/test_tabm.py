"""TabM and TabM-mini, against the authors' own package."""

import pytest
import tabm as authors
import torch
from torch import Tensor, nn

from mlp_torch.backbone.tabm import TabM
from mlp_torch.head import Output
from mlp_torch.model import padded
from mlp_torch.script import script

WIDTHS = {"age": 3, "city": 4, "hour": 1}
D, K = sum(WIDTHS.values()), 5


def twins(*, mini: bool, blocks: int, dropout: float = 0.0) -> tuple[nn.Sequential, nn.Module]:
    """Ours with the head's output layer and the authors', with the same weights; to theirs vectors are numbers."""
    torch.manual_seed(0)
    backbone = TabM(WIDTHS, k=K, blocks=blocks, d_block=16, dropout=dropout, mini=mini)
    ours = nn.Sequential(backbone, Output(16, 2, K))
    theirs = authors.TabM(
        n_num_features=D,
        d_out=2,
        k=K,
        n_blocks=blocks,
        d_block=16,
        dropout=dropout,
        arch_type="tabm-mini" if mini else "tabm",
        start_scaling_init="normal",
    )
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.5)  # ones and equal biases would hide what is read where
    with torch.no_grad():
        for own, other in pairs(ours, theirs):
            other.copy_(own)
    return ours, theirs


def pairs(ours: nn.Sequential, theirs: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """What means the same, ours first."""
    backbone, output = ours
    first = theirs.backbone.affine.weight if hasattr(theirs.backbone, "affine") else theirs.backbone.blocks[0][0].r
    found = [(backbone.start, first), (output.bias, theirs.output.bias)]
    for own, other in zip(backbone.layers, theirs.backbone.blocks, strict=True):
        found += [(own[0].weight, other[0].weight), (own[0].bias, other[0].bias)]
        if hasattr(own[0], "s"):
            found.append((own[0].s, other[0].s))
            if own[0].r is not None:
                found.append((own[0].r, other[0].r))
    return [*found, (output.weight.transpose(1, 2), theirs.output.weight)]


@pytest.mark.parametrize("mini", [False, True])
@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_it_gives_and_learns_what_the_authors_package_does(mini: bool, blocks: int) -> None:
    ours, theirs = twins(mini=mini, blocks=blocks)
    x = torch.randn(32, D)
    mine, other = ours(x), theirs(x)
    assert mine.shape == (32, K, 2)
    assert torch.allclose(mine, other, rtol=1e-4, atol=1e-4)
    for out in (mine, other):
        (out * torch.arange(2 * K).view(K, 2)).sum().backward()
    checked = 0
    for own, same in pairs(ours, theirs)[:-1]:
        assert torch.allclose(own.grad, same.grad, rtol=1e-3, atol=1e-2)
        assert float(same.grad.abs().max()) > 1e-1
        checked += own.numel()
    assert torch.allclose(ours[1].weight.grad.transpose(1, 2), theirs.output.weight.grad, rtol=1e-3, atol=1e-2)
    assert checked + ours[1].weight.numel() == sum(p.numel() for p in theirs.parameters())
    ours[0].start.data[0] *= 2
    assert not torch.allclose(ours(x), other, atol=1e-2)


@pytest.mark.parametrize("mini", [False, True])
@pytest.mark.parametrize("start", ["normal", "signs"])
def test_it_starts_as_the_authors_package_does(mini: bool, start: str) -> None:
    torch.manual_seed(0)
    ours = TabM(WIDTHS, k=400, blocks=2, d_block=64, start=start, mini=mini)  # type: ignore[arg-type]
    by_column = ours.start.split(list(WIDTHS.values()), dim=1)
    assert all(torch.equal(part, part[:, :1].expand_as(part)) for part in by_column)  # one factor a member and column
    drawn = torch.stack([part[:, 0] for part in by_column])  # (3, 400)
    assert torch.allclose(drawn.mean(dim=1), torch.zeros(3), atol=0.2)
    assert torch.allclose(drawn.std(dim=1), torch.ones(3), atol=0.15)
    assert set(drawn.flatten().tolist()) == {1.0, -1.0} if start == "signs" else len(drawn.unique()) == 1200
    for i, block in enumerate(ours.layers):
        layer, d = block[0], D if i == 0 else 64
        assert float(layer.weight.detach().abs().max()) <= d**-0.5
        assert float(layer.bias.detach().abs().max()) <= d**-0.5
        if not mini:
            assert torch.equal(layer.bias, layer.bias[:1].expand(400, -1))
            assert bool((layer.s == 1).all())
            assert layer.r is None if i == 0 else bool((layer.r == 1).all())


def test_members_drop_units_of_their_own_and_in_evaluation_none() -> None:
    torch.manual_seed(0)
    backbone = TabM({"x": 4}, k=2, blocks=1, d_block=4000, dropout=0.3)
    nn.init.ones_(backbone.start)
    nn.init.constant_(backbone.layers[0][0].bias, 5.0)
    h = backbone(torch.ones(1, 4))[0]
    assert float((h == 0).float().mean()) == pytest.approx(0.3, abs=0.03)
    assert bool(((h[0] == 0) != (h[1] == 0)).any())
    assert bool((backbone.eval()(torch.ones(1, 4)) > 0).all())


@pytest.mark.parametrize(("k", "d", "n"), [(2, 33, 3), (3, 33, 10), (8, 24, 1)])
def test_members_answer_a_row_with_the_same_bits_alone_and_in_company(k: int, d: int, n: int) -> None:
    torch.manual_seed(0)
    model = script(nn.Sequential(TabM(WIDTHS, k=k, d_block=d, mini=True), Output(d, n, k)))
    x = torch.randn(200, D)

    def answered(part: Tensor) -> Tensor:
        out: Tensor = model(padded({"x": part})["x"])[: len(part)]
        return out

    for start, end in ((0, 1), (3, 36), (5, 69), (100, 200), (199, 200)):
        assert torch.equal(answered(x[start:end]), answered(x)[start:end])


def test_its_defaults_are_those_of_the_authors_with_numerical_embeddings() -> None:
    import rtdl_num_embeddings

    embedding = rtdl_num_embeddings.LinearReLUEmbeddings(2, 3)
    wanted = authors.TabM.make(n_num_features=2, num_embeddings=embedding, d_out=1).backbone
    ours = TabM({"a": 3, "b": 3})
    assert ours.members == wanted.k
    assert len(ours.layers) == len(wanted.blocks)
    assert ours.d_out == wanted.get_original_output_shape()[0]
    assert ours.layers[0][2].p == wanted.blocks[0][2].p
    assert len(wanted.blocks[0][0].r[0].unique()) == 2  # normal, a factor a column
    assert len(ours.start[0].unique()) == 2


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"k": 1}, "k must be at least 2, however: k=1"),
        ({"blocks": 0}, "blocks must be at least 1, however: blocks=0"),
        ({"d_block": 15}, "d_block must be at least 16, however: d_block=15"),
        ({"dropout": 1.0}, "dropout must be at least 0 and less than 1, however: dropout=1.0"),
        ({"start": "ones"}, "start must be normal or signs, however: start='ones'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        TabM(WIDTHS, **options)  # type: ignore[arg-type]
