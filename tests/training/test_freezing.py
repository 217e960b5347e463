"""What is frozen changes no bit, what is thawed learns from its epoch on, and each learns at its own rate."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest
import tiny
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from training.test_resume import same

from mlp_torch.backbone.dcn import DCNv2
from mlp_torch.backbone.ft_transformer import FTTransformer
from mlp_torch.backbone.mlp import MLP
from mlp_torch.backbone.resnet import ResNet
from mlp_torch.backbone.tabm import TabM
from mlp_torch.backbone.wide_and_deep import WideAndDeep
from mlp_torch.errors import ConfigError
from mlp_torch.model import Encoder, Single
from mlp_torch.problem.classification import Binary
from mlp_torch.run import quiet
from mlp_torch.training.checkpoint_files import newest
from mlp_torch.training.checkpoints import LastCheckpoint
from mlp_torch.training.data import Data
from mlp_torch.training.freezing import Plan, planned
from mlp_torch.training.overfitting import overview
from mlp_torch.training.task import Task

EPOCHS = 3


@pytest.fixture(autouse=True)
def _quiet() -> None:
    quiet()


RESNET = partial(ResNet, blocks=2, d_block=16)


def resnet(data: Data, backbone=RESNET) -> Single:
    """A model with batch normalization, or another body."""
    encoder = Encoder(data.transform.named_columns())
    body = backbone(encoder.widths)
    head = Binary(body.d_out, data.target, members=getattr(body, "members", 1))
    head.fit(data.tables["train"].y, data.tables["train"].weight)
    return Single(encoder, body, head)


class Watch(tiny.Stop):
    """Keeps the state of the model at the end of each epoch."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.states: list[dict[str, Tensor]] = []

    def on_train_epoch_end(self, trainer, pl_module) -> None:
        self.states.append(state(pl_module.model))


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: x.clone() for name, x in model.state_dict().items() if isinstance(x, Tensor)}


def fit(
    folder: Path,
    *,
    freeze: Sequence[str] = (),
    unfreeze: Mapping[int, Sequence[str]] | None = None,
    rates: Mapping[str, float] | None = None,
    callbacks=(),
    scheduler=None,
) -> tuple[dict[str, Tensor], Task]:
    """One fit of a ResNet, or what is left of it; the model as it began, and the task."""
    last = newest(folder)
    saved = last and last.content["state_dict"]
    data = tiny.unprepared().prepare(saved)
    torch.manual_seed(0)
    model = resnet(data)
    began = state(model)
    plan = planned(model, freeze=freeze, unfreeze=unfreeze or {}, rates=rates or {})
    optimizer = partial(torch.optim.AdamW, lr=1e-2, fused=True)
    task = Task(data.transform, data.target, model, optimizer=optimizer, scheduler=scheduler, plan=plan)
    kept = LastCheckpoint(str(folder), every_n_steps=1)
    trainer = tiny.trainer(max_epochs=EPOCHS, callbacks=[*callbacks, kept])
    trainer.fit(task, data, ckpt_path=last and last.path, weights_only=True)
    return began, task


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, x in before.items() if not torch.equal(x, after[name])}


FROZEN = ["encoder.*", "backbone.entry.*", "backbone.blocks.0.*"]


def is_frozen(name: str) -> bool:
    return name.startswith(("encoder.", "backbone.entry.", "backbone.blocks.0."))


@pytest.mark.parametrize("average", [False, True])
def test_what_is_frozen_changes_no_bit_and_all_else_learns(average, tmp_path):
    callbacks = [EMAWeightAveraging(decay=0.5, use_buffers=False)] if average else []
    began, task = fit(tmp_path, freeze=FROZEN, callbacks=callbacks)
    moved = changed(began, state(task.model))
    learned = {name for name in began if not is_frozen(name) and not name.startswith("head.")} | {"head.output.weight"}
    assert {"backbone.blocks.0.0.running_mean", "backbone.blocks.0.0.num_batches_tracked"} <= set(began)
    assert not [name for name in moved if is_frozen(name)]
    assert learned - {name for name in learned if name.endswith("num_batches_tracked")} <= moved
    kept = tiny.last(tmp_path)["state_dict"]  # what would be served
    assert not [name for name, x in began.items() if is_frozen(name) and not torch.equal(x, kept[f"model.{name}"])]


def test_without_freezing_the_same_tensors_learn(tmp_path):
    began, task = fit(tmp_path)
    assert {"encoder.layers.city.table.weight", "backbone.blocks.0.0.running_mean"} <= changed(began, state(task.model))


UNFREEZE = {2: ["backbone.blocks.0.*"], 3: ["encoder.*"]}


def test_what_is_thawed_learns_from_the_epoch_that_is_named(tmp_path):
    watch = Watch()
    began, _ = fit(tmp_path, freeze=FROZEN, unfreeze=UNFREEZE, callbacks=[watch])
    first, second, third = watch.states
    block = {name for name in began if name.startswith("backbone.blocks.0.") and "num_batches" not in name}
    encoder = {name for name in began if name.startswith("encoder.")}
    assert not changed(began, first) & (block | encoder)
    assert block <= changed(first, second)  # a batch normalization's statistics too
    assert not changed(first, second) & encoder
    assert encoder <= changed(second, third)
    assert not [name for name in changed(began, third) if name.startswith("backbone.entry.")]


@pytest.mark.parametrize("after", [5, 10, 11, 14, 20, 23])
def test_a_run_that_dies_before_at_or_after_a_thawing_resumes_to_the_same_bits(after, tmp_path):
    options = {"freeze": FROZEN, "unfreeze": UNFREEZE, "rates": {"encoder.*": 0.1, "backbone.*": 0.5}}
    options["scheduler"] = partial(CosineAnnealingLR, T_max=EPOCHS)
    whole = tmp_path.parent / "whole_thawing"
    if not whole.exists():
        fit(whole, **options)
    with pytest.raises(RuntimeError, match="killed"):
        fit(tmp_path, callbacks=[tiny.Stop(after)], **options)
    fit(tmp_path, **options)
    found, wanted = tiny.last(tmp_path), tiny.last(whole)
    assert same(found["state_dict"], wanted["state_dict"])
    moments, expected = (checkpoint["optimizer_states"][0]["state"] for checkpoint in (found, wanted))
    assert moments.keys() == expected.keys()
    assert all(torch.equal(moments[i]["exp_avg"], expected[i]["exp_avg"]) for i in expected)
    assert [group["lr"] for group in found["optimizer_states"][0]["param_groups"]] == [
        group["lr"] for group in wanted["optimizer_states"][0]["param_groups"]
    ]


def test_another_epoch_of_thawing_gives_other_bits(tmp_path):
    ends = []
    for epoch in (2, 3):
        fit(tmp_path / str(epoch), freeze=FROZEN, unfreeze={epoch: ["encoder.*"]})
        ends.append(tiny.last(tmp_path / str(epoch))["state_dict"])
    assert not same(*ends)


def test_a_rate_of_a_part_is_a_factor_on_the_optimizers_and_follows_the_scheduler(tmp_path):
    logged: list[dict[str, float]] = []

    class Seen(tiny.Stop):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
            logged.append({name: float(x) for name, x in trainer.callback_metrics.items() if "learning_rate" in name})

    fit(tmp_path, rates={"encoder.layers.city.*": 0.25, "encoder.*": 0.1}, callbacks=[Seen(-1)])
    groups = tiny.last(tmp_path)["optimizer_states"][0]["param_groups"]
    assert [group["lr"] for group in groups] == pytest.approx([1e-2, 2.5e-3, 1e-3])
    assert [len(group["params"]) for group in groups][1] == 1  # the first glob that matches counts
    fit(tmp_path / "falling", rates={"encoder.*": 0.1}, scheduler=partial(CosineAnnealingLR, T_max=EPOCHS))
    rates = [group["lr"] for group in tiny.last(tmp_path / "falling")["optimizer_states"][0]["param_groups"]]
    assert rates == pytest.approx([0.0, 0.0], abs=1e-12)


def test_the_curves_of_the_learning_rate_are_one_for_each_factor(tmp_path):
    seen: dict[str, float] = {}
    data = tiny.data()
    model = resnet(data)
    task = Task(data.transform, data.target, model, plan=planned(model, rates={"encoder.*": 0.1, "head.*": 2}))
    task.log = lambda name, value, **options: seen.__setitem__(name, float(value))
    tiny.trainer(max_epochs=1, log_every_n_steps=1, enable_checkpointing=False).fit(task, data)
    rates = {name: value for name, value in seen.items() if "rate" in name}
    assert rates == pytest.approx(
        {"train/learning_rate": 2e-3, "train/learning_rate_x1": 1e-3, "train/learning_rate_x0.1": 1e-4}
    )


BODIES = {
    "mlp": (partial(MLP, hidden=[16, 8]), ["encoder", "backbone.layers.0", "backbone.layers.3", "head"]),
    "resnet": (
        RESNET,
        ["encoder", "backbone.entry", "backbone.blocks.0", "backbone.blocks.1", "backbone.exit.0", "head"],
    ),
    "ft_transformer": (
        partial(FTTransformer, blocks=2, d_token=8, heads=2),
        ["encoder", "backbone.tokens", "backbone.blocks.0", "backbone.blocks.1", "backbone.exit.0", "head"],
    ),
    "tabm": (
        partial(TabM, k=2, blocks=2, d_block=16),
        ["encoder", "backbone.start", "backbone.layers.0", "backbone.layers.1", "head"],
    ),
    "dcn": (
        partial(DCNv2, crosses=1, hidden=[16]),
        ["encoder", "backbone.crosses.0", "backbone.deep.layers.0", "head"],
    ),
    "wide_and_deep": (
        partial(WideAndDeep, wide=["city"], hidden=[16, 8]),
        ["encoder", "backbone.deep.layers.0", "backbone.deep.layers.3", "head"],
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_each_layer_below_the_head_learns_at_a_factor_of_the_one_above(name):
    backbone, layers = BODIES[name]
    model = resnet(tiny.data(300), backbone)
    factors = planned(model, layer_decay=0.5).factors
    for parameter, _ in model.named_parameters():
        (layer,) = [layer for layer in layers if f"{parameter}.".startswith(f"{layer}.")]
        assert factors.get(parameter, 1.0) == 0.5 ** (len(layers) - 1 - layers.index(layer)), parameter


def test_a_glob_of_rates_counts_before_the_depth():
    model = resnet(tiny.data(300))
    factors = planned(model, layer_decay=0.5, rates={"encoder.*": 1, "*.exit.*": 3}).factors
    assert not [name for name in factors if name.startswith("encoder.")]
    assert factors["backbone.exit.0.weight"] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze": ["encodr.*"]}, r"freeze must match a parameter of the model, however: encodr\.\*"),
        ({"freeze": ["backbone.entry.weigth"]}, r"did you mean backbone\.entry\.weight"),
        ({"freeze": ["*"]}, r"something to learn in the first epoch, however: all \d+ parameters are frozen"),
        ({"freeze": ["*"], "unfreeze": {2: ["*"]}}, "something to learn in the first epoch"),
        ({"freeze": ["encoder.*"], "unfreeze": {3: ["head.*"]}}, r"unfreeze\.3 must match a frozen parameter"),
        ({"unfreeze": {3: ["head.*"]}}, r"however: head\.\*; known: none"),
        ({"freeze": ["head.*"], "unfreeze": {2: ["head.*"], 3: ["head.*"]}}, r"unfreeze\.3 must match a frozen"),
        ({"rates": {"head.outptu.weight": 0.1}}, r"rates must match .*did you mean head\.output\.weight"),
    ],
)
def test_globs_that_match_nothing_and_a_model_without_anything_to_learn_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        planned(resnet(tiny.data(300)), **options)


def test_layers_of_a_model_that_has_none_are_refused():
    with pytest.raises(ConfigError, match="layer_decay needs a model of layers, however: Linear"):
        planned(nn.Linear(2, 2), layer_decay=0.5)


def test_a_look_tells_what_is_frozen_and_how_fast_the_rest_learns():
    data = tiny.data(300)
    model = resnet(data)
    plan = planned(model, freeze=["encoder.*"], unfreeze={4: ["encoder.layers.city.*"]}, rates={"head.*": 2})
    plan.begin(model, epoch=1)
    told = overview(data, model, plan)
    assert re.search(r"encoder +0  and \d+ frozen", told)
    assert "frozen until epoch 4 begins: 1 tensor: encoder.layers.city.table.weight" in told
    assert "learning rate × 2: 2 tensors: head.output.weight, head.output.bias" in told
    assert Plan().notes() == []


def test_a_head_that_only_judges_stays_frozen_whatever_is_thawed():
    model = nn.ModuleDict({"judge": nn.Linear(2, 2).requires_grad_(False), "head": nn.Linear(2, 2)})
    plan = planned(model, freeze=["judge.*", "head.weight"], unfreeze={2: ["*.weight"]})
    plan.begin(model, epoch=5)
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["head.weight", "head.bias"]
