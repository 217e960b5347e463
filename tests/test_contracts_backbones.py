"""What every backbone must hold. A new one joins by existing below `mlp_torch.backbone`."""

import importlib
import inspect
import io
import pkgutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

import mlp_torch.backbone
from mlp_torch.head import Output
from mlp_torch.model import padded
from mlp_torch.script import script

WIDTHS = {"age": 2, "route": 1, "city": 8}
D = sum(WIDTHS.values())


def backbones() -> list[type[nn.Module]]:
    """All modules of the package that are built from the widths of columns and tell their `d_out`."""
    modules = pkgutil.walk_packages(mlp_torch.backbone.__path__, "mlp_torch.backbone.")
    found = {
        thing
        for module in modules
        for _, thing in inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
        if issubclass(thing, nn.Module) and thing.__module__ == module.name and "d_out" in inspect.getsource(thing)
    }
    return sorted((kind for kind in found if "widths" in inspect.signature(kind).parameters), key=lambda k: k.__name__)


# What a backbone needs, or needs to be small, and further options that change what it computes.
NEEDED: dict[str, dict[str, Any]] = {
    "MLP": {"hidden": [32, 24]},
    "DCNv2": {"hidden": [32, 24]},
    "WideAndDeep": {"hidden": [32, 24], "wide": ["route"]},
    "FTTransformer": {"blocks": 2, "d_token": 16, "heads": 4},
    "ResNet": {"d_block": 24},
    "TabM": {"k": 3, "d_block": 24},
}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "MLP": [{"dropout": 0.5}],
    "DCNv2": [{"structure": "parallel", "crosses": 3, "dropout": 0.5}],
    "WideAndDeep": [{"wide": ["age", "route"], "dropout": 0.5}],
    "FTTransformer": [{"blocks": 1}],
    "ResNet": [{"blocks": 3, "d_hidden": 7, "residual_dropout": 0.5}],
    "TabM": [{"mini": True}, {"blocks": 3, "d_block": 17, "start": "signs"}, {"mini": True, "k": 2, "d_block": 16}],
}
CASES = [(kind, options) for kind in backbones() for options in [{}, *OPTIONS.get(kind.__name__, [])]]
every_backbone = pytest.mark.parametrize(("kind", "options"), CASES, ids=[f"{k.__name__}{o or ''}" for k, o in CASES])
LEARNING = [(kind, options) for kind, options in CASES if kind.__name__ != "Linear"]  # which has no parameters
every_learner = pytest.mark.parametrize(
    ("kind", "options"), LEARNING, ids=[f"{k.__name__}{o or ''}" for k, o in LEARNING]
)


def built(kind: type[nn.Module], options: dict[str, Any], seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return kind(WIDTHS, **{**NEEDED.get(kind.__name__, {}), **options})


def rows(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, D, generator=torch.Generator().manual_seed(seed))


def shape_of(backbone: Any, n: int) -> tuple[int, ...]:
    """(n, d_out), with members (n, k, d_out)."""
    members = getattr(backbone, "members", 1)
    return (n, backbone.d_out) if members == 1 else (n, members, backbone.d_out)


def test_the_walk_finds_the_backbones() -> None:
    names = {kind.__name__ for kind in backbones()}
    assert {"MLP", "ResNet", "WideAndDeep", "DCNv2", "FTTransformer", "TabM"} <= names
    assert not names & {"Tokens", "Cross", "Block", "Attention", "SharedLinear"}


@pytest.mark.parametrize("path", sorted(Path(mlp_torch.backbone.__path__[0]).glob("*.py")), ids=lambda path: path.stem)
def test_a_file_has_at_most_150_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 150


@every_backbone
def test_any_number_of_rows_goes_through_eager_scripted_and_exported(
    kind: type[nn.Module], options: dict[str, Any]
) -> None:
    backbone = built(kind, options).eval().requires_grad_(False)
    x = rows(33)
    program = torch.export.export(backbone, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    scripted = script(backbone)
    for n in (0, 1, 2, 33):
        wanted = backbone(x[:n])
        assert wanted.shape == shape_of(backbone, n)
        assert wanted.dtype == torch.float32
        assert torch.isfinite(wanted).all()
        assert torch.equal(scripted(x[:n]), wanted)
        assert torch.allclose(program.module()(x[:n]), wanted, rtol=1e-5, atol=1e-6)


LARGE: dict[str, list[dict[str, Any]]] = {  # as they are used: small layers may hide what BLAS does to large ones
    "MLP": [{"hidden": [256, 128]}],
    "DCNv2": [{"hidden": [256, 128]}, {"hidden": [256, 128], "structure": "parallel"}],
    "WideAndDeep": [{"hidden": [256, 128]}],
    "FTTransformer": [{"blocks": 1, "d_token": 96, "heads": 8}, {"blocks": 3, "d_token": 192, "heads": 8}],
    "ResNet": [{"d_block": 192}],
    "TabM": [{"k": 16, "d_block": 256}, {"k": 16, "d_block": 256, "mini": True}],
    "Linear": [{}],
}


@pytest.mark.parametrize("kind", backbones())
def test_the_frozen_graph_has_the_bits_of_the_modules_also_where_they_are_large(kind: type[nn.Module]) -> None:
    x = rows(64)
    for options in LARGE[kind.__name__]:
        for seed in range(3):
            backbone = built(kind, options, seed).eval()
            graph = torch.jit.freeze(script(backbone), optimize_numerics=False)
            with torch.inference_mode():
                assert all(torch.equal(graph(x), backbone(x)) for _ in range(3)), (options, seed)


@every_backbone
def test_a_row_has_the_same_bits_alone_and_in_any_batch(kind: type[nn.Module], options: dict[str, Any]) -> None:
    backbone = script(built(kind, options))
    x = rows(70)

    def answered(part: Tensor) -> Tensor:
        with torch.inference_mode():
            out: Tensor = backbone(padded({"x": part})["x"])[: len(part)]
        return out

    whole = answered(x)
    assert torch.equal(torch.cat([answered(x[i : i + 1]) for i in range(70)]), whole)
    for start, end in ((0, 17), (3, 36), (20, 53), (5, 69)):
        assert torch.equal(answered(x[start:end]), whole[start:end])
    order = torch.randperm(70, generator=torch.Generator().manual_seed(1))
    assert torch.equal(answered(x[order]), whole[order])


@every_learner
def test_the_gradient_reaches_every_parameter(kind: type[nn.Module], options: dict[str, Any]) -> None:
    backbone = built(kind, options).eval()  # in training, batch normalization takes a bias before it away
    out = backbone(rows(64))
    (out * torch.randn(out.shape, generator=torch.Generator().manual_seed(1))).sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 1e-5, name


@every_backbone
def test_the_input_stays_as_it_is(kind: type[nn.Module], options: dict[str, Any]) -> None:
    x = rows(8)
    built(kind, options)(x)
    assert torch.equal(x, rows(8))


@every_learner
def test_a_seed_determines_weights_and_dropout_and_another_one_differs(
    kind: type[nn.Module], options: dict[str, Any]
) -> None:
    x = rows(16)
    first, again, other = (built(kind, options, seed)(x) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@every_backbone
def test_nothing_is_drawn_in_evaluation(kind: type[nn.Module], options: dict[str, Any]) -> None:
    backbone, x = built(kind, options), rows(16)
    drawn = [module for module in backbone.modules() if isinstance(module, nn.Dropout) and module.p > 0]
    assert torch.equal(backbone(x), backbone(x)) == (not drawn)
    backbone.eval()
    state = torch.get_rng_state()
    assert torch.equal(backbone(x), backbone(x))
    assert torch.equal(torch.get_rng_state(), state)


@every_learner
def test_a_training_batch_may_hold_one_row(kind: type[nn.Module], options: dict[str, Any]) -> None:
    backbone = built(kind, options)
    out = backbone(rows(1))
    out.sum().backward()
    assert out.shape == shape_of(backbone, 1)
    assert all(torch.isfinite(parameter.grad).all() for parameter in backbone.parameters())


@every_backbone
def test_its_state_comes_back_from_a_file(kind: type[nn.Module], options: dict[str, Any]) -> None:
    backbone, other = built(kind, options), built(kind, options, seed=1)
    backbone(rows(16))  # what training notes, such as means of a normalization, is state as well
    file = io.BytesIO()
    torch.save(backbone.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(other.eval()(rows(4)), backbone.eval()(rows(4)))


@every_learner
def test_thirty_two_rows_are_learned_by_heart(kind: type[nn.Module], options: dict[str, Any]) -> None:
    backbone = built(kind, options)
    for module in backbone.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    members = getattr(backbone, "members", 1)
    model = nn.Sequential(backbone, Output(backbone.d_out, 1, members))
    x, y = rows(32), (torch.rand(32, generator=torch.Generator().manual_seed(2)) > 0.5).float()
    y = y.view(-1, *[1] * (2 if members > 1 else 1)).expand(32, *([members, 1] if members > 1 else [1]))

    def loss() -> Tensor:
        return binary_cross_entropy_with_logits(model(x), y)

    optimizer = torch.optim.Adam(model.parameters(), 0.005)
    for _ in range(400):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    model.eval()
    assert float(loss().detach()) < 0.02  # of 0.69
