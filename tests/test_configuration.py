"""A configuration that cannot be built is refused in one sentence, before any data is read."""

import re
import sys
from collections import OrderedDict
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import tiny
from omegaconf import DictConfig, OmegaConf
from torch import nn

from mlp_torch.column import Column
from mlp_torch.configuration import built, check_targets, composed, options
from mlp_torch.errors import ConfigError
from mlp_torch.overrides import choices, opened
from mlp_torch.signatures import fits, told
from mlp_torch.verbs.train import parsed, planned

ROOT = Path(__file__).parents[1]
REPRESENTATION = "mlp_torch.representation"
GUIDE = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/representation.md").read_text(), re.DOTALL | re.MULTILINE)
TABLE = """\
# @package _global_
defaults:
  - override /data: csv_in_memory
name: mine
data:
  source: {path: mine.csv}
  target: {_target_: mlp_torch.target.Category, field: late}
  split: {_target_: mlp_torch.reproducibility.split.ByFingerprint, fields: [id]}
"""
TARGET = f"_target_: {REPRESENTATION}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder of configurations, with the tiny experiment."""
    tiny.experiment(tmp_path)
    return tmp_path / "configs"


def refused(overrides: list[str], folder: Path | None = None) -> str:
    """The message of what composing or checking refuses."""
    with pytest.raises(ConfigError) as caught:
        check_targets(composed(overrides, folder))
    return str(caught.value)


def experiment(folder: Path, text: str) -> list[str]:
    """Writes a delta on the tiny experiment; gives the arguments that take it."""
    path = folder / "experiment" / "mine.yaml"
    path.write_text(f"# @package _global_\ndefaults:\n  - tiny\n{text}")
    return ["experiment=mine"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sed=3", "a key must exist, however: sed: no sed; did you mean seed?"),
        (
            "+baseline.model={_target_: mlp_torch.responsible.baselines.Constant}",
            "a contender must have a name of its own",
        ),
        ("~stages", "a key at the top must stay, however: ~stages deletes it; to leave it empty write stages=null"),
        ("~optimizer", "a key at the top must stay, however: ~optimizer deletes it; known: adamw"),
        ("optimizer.lrr=1", "a key must exist, however: optimizer.lrr: no lrr of optimizer; did you mean lr?"),
        ("optimiser.lr=1", "did you mean optimizer?"),
        ("seed.x=3", "seed must be a table of keys to have x, however: it is one value"),
        (
            "experiment=quickstrat",
            "experiment must be one of its options, however: experiment=quickstrat; did you mean",
        ),
        ("head=binray", "head must be one of its options, however: head=binray; did you mean binary?"),
        ("~data.columns.rout", "no rout of data.columns; did you mean route?"),
        ("quickstart", "did you mean experiment=quickstart?"),
        ("seed", "an argument must have the form KEY=VALUE, however: seed"),
        ("name=a(b", "quote a value that holds"),
        ("seed=1,2", "multirun"),
        ("experiment=null", "experiment must be one of its options, however: experiment=null"),
        (
            "data.split={_target_: a.B, fields: [id]}",
            "data.split must be replaced in two steps, however: data.split={_target_: a.B, fields: [id]} is one; "
            "write '~data.split' '+data.split={_target_: a.B, fields: [id]}'",
        ),
        (
            "callback.best={monitr: val/auroc}",
            "a key must exist, however: callback.best: no monitr; did you mean monitor?",
        ),
    ],
)
def test_a_mistyped_argument_is_refused_by_naming_the_near_ones(override, message):
    with pytest.raises(ConfigError) as caught:
        composed([override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_that_has_no_value_yet_is_a_key() -> None:
    with pytest.raises(ConfigError, match=r"An item is already at 'head\.gamma'"):
        composed(["model=distilled", "model.teacher=large", "+head.gamma=2"])


def test_an_experiment_of_ones_own_that_lies_here_is_told_how_to_be_found(tmp_path, monkeypatch):
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    (tmp_path / "configs" / "experiment" / "mine.yaml").write_text("# @package _global_\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConfigError, match=r"experiment=mine; for configs/experiment/mine\.yaml add --config-dir configs"
    ):
        composed(["experiment=mine"])


def test_the_argument_that_is_wrong_is_told_and_not_a_table_beside_it():
    with pytest.raises(ConfigError, match="no sed; did you mean seed"):
        composed(["callback.best={monitor: val/auroc}", "sed=7"])


def test_a_table_is_replaced_in_the_two_steps_that_are_told():
    split = "data.split={_target_: mlp_torch.reproducibility.split.ByFingerprint, fields: [id]}"
    cfg = composed(["folds=3", "~data.split", f"+{split}"])
    check_targets(cfg)
    assert set(cfg.data.split) == {"_target_", "fields"}


def test_what_an_experiment_sets_for_another_backbone_or_column_is_left_out_as_the_message_says(folder):
    mine = [*experiment(folder, "backbone: {hidden: [3]}\n"), "backbone=resnet"]
    told = refused(mine, folder)
    assert told.endswith(
        "takes no hidden; did you mean d_hidden? If an experiment sets it, '~backbone.hidden' leaves it out"
    )
    (run,) = planned(parsed(["--config-dir", str(folder), *mine, "~backbone.hidden"]))
    assert "hidden" not in run.cfg.backbone

    over = [f"data.columns.route._target_={REPRESENTATION}.embeddings.Embedding", "+data.columns.route.field=origin"]
    left = ["~data.columns.route.parts", "~data.columns.route.buckets"]
    told = refused(over)
    assert "takes no parts; known: " in told
    assert told.endswith(f"; if an experiment sets them, '{left[0]}' '{left[1]}' leave them out")
    check_targets(composed([*over, *left]))


def test_of_an_item_of_a_list_which_no_override_reaches_none_is_told(folder):
    parts = f"[city, {{{TARGET}.calendar.Calendar, field: at, prat: hour}}]"
    column = f"{{{TARGET}.crosses.Crossed, buckets: 9, parts: {parts}}}"
    assert refused(experiment(folder, f"data: {{columns: {{x: {column}}}}}\n"), folder).endswith("did you mean part?")


@pytest.mark.parametrize(
    ("module", "known"),
    [
        (f"{REPRESENTATION}.steps", "Clip, Identity, MinMax, Step, Winsorize, ZScore"),
        (f"{REPRESENTATION}.calendar", "Calendar, Cyclical, civil"),
    ],
)
def test_of_a_module_only_the_classes_and_functions_that_it_defines_are_listed(module, known):
    assert refused([f"data.columns.route._target_={module}.Qqqqqqq"]).endswith(f"; known: {known}")


def test_classes_that_a_package_takes_from_its_modules_are_near_too():
    assert "did you mean AdamW" in refused(["optimizer._target_=torch.optim.AdamWW"])


def test_an_option_of_a_column_that_its_yaml_leaves_out_needs_no_plus():
    cfg = composed([opened("data.columns.origin.min_count=3"), opened("data.columns.route=null")])
    assert cfg.data.columns.origin.min_count == 3
    check_targets(cfg.data.columns)
    for text, message in (
        ("origin.min_cuont=3", "takes no min_cuont; did you mean min_count?"),
        ("orign.dim=3", "origin"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_targets(composed([opened(f"data.columns.{text}")]))


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("data.fields.sample weight.missing=drop", "'data.fields={sample weight: {missing: drop}}'"),
        ("data.fields.a.b.c d.min=1", "'data.fields={a.b.c d: {min: 1}}'"),
        ("data.fields.größe.missing=drop", 'data.fields: {"größe": {missing: drop}} in the experiment'),
    ],
)
def test_a_key_that_cannot_hold_a_fields_name_is_shown_as_typed_with_the_form_that_works(typed, form):
    message = refused([opened(typed)])
    assert message == f"a key must be made of words with points between them, however: {typed}; write {form}"


def test_a_value_that_no_argument_holds_is_shown_as_typed():
    message = refused([opened("data.fields.distance.na_values=a(b")])
    assert "however: data.fields.distance.na_values=a(b; quote a value" in message


@pytest.mark.parametrize(
    "override",
    [
        "seed=3",
        "~data.columns.route",
        "+data.fields.distance={min: 0}",
        "++seed=3",
        "data.columns.route=null",
        "name='a,b(c'",
        "experiment='regression'",
        "data.columns.tailnum.buckets=20",
        "~experiment",
        "scheduler=cosine",
        "+width=64",
    ],
)
def test_what_hydra_understands_passes(override):
    composed([override])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("backbone: {hiden: [3]}", "backbone: mlp_torch.backbone.mlp.MLP takes no hiden; did you mean"),
        ("optimizer: {weight_decya: 1.0}", "optimizer: torch.optim.AdamW takes no weight_decya; did you mean"),
        (
            f"data: {{columns: {{age: {{{TARGET}.numbers.Scaled, feild: age}}}}}}",
            "data.columns.age: mlp_torch.representation.numbers.Scaled takes no feild",
        ),
        (
            f"data: {{columns: {{x: {{{TARGET}.crosses.Crossed, buckets: 9, parts: "
            f"[city, {{{TARGET}.calendar.Calendar, field: at, prat: hour}}]}}}}}}",
            "data.columns.x.parts[1]: mlp_torch.representation.calendar.Calendar takes no prat; did you mean part?",
        ),
        (f"data: {{columns: {{x: {{{TARGET}.numbers.Scaled}}}}}}", "data.columns.x: mlp_torch.representation.numbers"),
        ("data: {columns: {x: {_target_: mlp_torch.representation.numbers.Scald}}}", "did you mean Scaled"),
        ("data: {columns: {x: {_target_: mlp_torch.reprsentation.numbers.Scaled}}}", "did you mean representation"),
        ("data: {columns: {x: {_target_: no_such_package.Scaled}}}", "No module named 'no_such_package'"),
        ("data: {columns: {x: {_target_: mlp_torch.errors.MAX_ROWS}}}", "must name a class or a function"),
        ("data: {columns: {aeg: {clip: 3}}}", "data.columns.aeg must have a _target_ or be null, however"),
        ("callback: {early_stoping: {patience: 9}}", "did you mean early_stopping?"),
        ("data: {sorce: {path: x}}", "data: mlp_torch.training.data.Data takes no sorce"),
        ("optimzer: {lr: 0.1}", "a key must exist, however: optimzer; did you mean optimizer?"),
        ("backbone: {hidden: '${width}'}", "backbone.hidden: Interpolation key 'width' not found"),
        ("data: [", "mine.yaml"),
    ],
)
def test_a_mistake_in_an_experiment_is_refused_with_its_path(folder, text, message):
    assert message in refused(experiment(folder, text + "\n"), folder)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.max_epochs=abc", "trainer.max_epochs must be int or null, however: 'abc'"),
        ("trainer.max_epochs=1.5", "trainer.max_epochs must be int or null, however: 1.5"),
        ("optimizer.lr=fast", "optimizer.lr must be float or Tensor, however: 'fast'"),
        ("backbone.hidden=64", "backbone.hidden must be "),
        ("backbone.hidden=[a]", "backbone.hidden must be "),
        ("data.key=id", "data.key must be list[str], however: 'id'"),
        ("data.batch_size=many", "data.batch_size must be int, however: 'many'"),
        ("data.source=mine.csv", "data.source must be Source or Shards, however: 'mine.csv'"),
        ("head.loss=square", "head.loss must be one of 'squared'"),
        ("data.columns.distance.field=7", "data.columns.distance.field must be str, however: 7"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_path(override, message):
    group = ["experiment=regression"] if override.startswith("head") else []
    assert message in refused([*group, override])


def test_what_is_still_to_be_set_is_named(folder):
    assert refused(["experiment=tiny", "name=???", "data.target=???"], folder).startswith(
        "data.target, name must be set"
    )
    assert refused(["~experiment"]).startswith("data.target, name must be set, however: ???")


def test_every_experiment_of_ours_passes():
    for name in sorted(options(None)["experiment"]):
        check_targets(composed([f"experiment={name}"]))


def test_every_data_set_of_ours_passes_once_it_is_said_what_is_predicted():
    found = [name for name in options(None)["data"] if (ROOT / f"mlp_torch/datasets/{name}.py").is_file()]
    assert {"flights", "california", "fashion_mnist"} <= set(found)
    for name in found:
        target = "data.target={_target_: mlp_torch.target.Number, field: y}"
        check_targets(composed([f"data={name}", "~experiment", "head=regression", "name=x", target]))


@pytest.mark.parametrize("block", GUIDE)
def test_each_yaml_block_of_the_guide_to_columns_passes_and_its_columns_are_built(block, folder, monkeypatch):
    own = {"mypackage": ModuleType("mypackage"), "mypackage.trunks": ModuleType("mypackage.trunks")}
    own["mypackage.trunks"].small = nn.Flatten
    own["mypackage.trunks"].in_parts = lambda: nn.Sequential(OrderedDict(first=nn.Conv2d(3, 2, 3), last=nn.Flatten()))
    for name, module in own.items():
        monkeypatch.setitem(sys.modules, name, module)
    (folder / "experiment" / "table.yaml").write_text(TABLE)
    (folder / "experiment" / "mine.yaml").write_text(f"# @package _global_\ndefaults: [table]\n{block}")
    cfg = composed(["experiment=mine"], folder)
    check_targets(cfg)
    parts = [*cfg.data.columns.values(), *cfg.modality.values()]
    assert [built(part) for part in parts if part is not None]


def test_the_guide_to_columns_has_yaml_for_every_column():
    shown = set(re.findall(r"_target_: ([\w.]+)", "".join(GUIDE)))
    for path in sorted((ROOT / "mlp_torch/representation").glob("*.py")):
        module = import_module(f"{REPRESENTATION}.{path.stem}")
        found = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Column)]
        own = {f"{value.__module__}.{value.__name__}" for value in found if value.__module__ == module.__name__}
        assert own - shown <= {f"{REPRESENTATION}.bags.{name}" for name in ("Vocabulary", "Bag", "HashedBag")}


def test_a_configuration_is_checked_without_its_data(folder, tmp_path):
    cfg = composed(["experiment=tiny"], folder)
    (tmp_path / "tiny.parquet").unlink()
    before, made = sorted(tmp_path.rglob("*")), Number.made
    cfg.data.source = {"_target_": f"{__name__}.Number", "value": 1}
    check_targets(cfg)
    assert sorted(tmp_path.rglob("*")) == before
    assert Number.made == made


class Number:
    """Built once with a value of at least 0; refuses in the ways in which constructors do."""

    made = 0

    def __init__(self, value: int, *, error: str = ""):
        Number.made += 1
        if error == "bug":
            raise AttributeError("a bug of ours")
        if value < 0:
            raise {"type": TypeError, "": ValueError}[error](f"value must be at least 0, however: {value=}")
        self.value = value


def node(text: str) -> DictConfig:
    """`part` of a configuration; ${number} stands for the class above."""
    created = OmegaConf.create({"deep": {"part": OmegaConf.create(text)}})
    OmegaConf.update(created, "deep.part._target_", f"{__name__}.Number")
    return created.deep.part


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """Under importlib's mode a test module cannot be imported by its name, as a `_target_` must be."""
    module = ModuleType(__name__)
    module.Number = Number
    monkeypatch.setitem(sys.modules, __name__, module)


def test_built_calls_what_a_node_names_and_adds_what_it_is_given():
    assert built(node("{value: 3}")).value == 3
    assert built(node("{}"), value=4).value == 4


@pytest.mark.parametrize("text", ["{value: -1}", "{value: -1, error: type}"])
def test_what_a_constructor_refuses_is_told_with_its_path(text):
    with pytest.raises(ConfigError, match=r"^deep.part: value must be at least 0, however: value=-1$"):
        built(node(text))


def test_what_a_partial_refuses_is_told_with_its_path_once_it_is_called():
    partial = built(node("{_partial_: true}"))
    assert partial(2).value == 2
    with pytest.raises(ConfigError, match=r"^deep.part: value must be at least 0, however: value=-1$"):
        partial(-1)


def test_an_item_of_a_list_is_named_by_its_number_in_brackets_and_a_name_with_a_digit_as_it_is():
    outer = node("{}")
    wrong = {"_target_": f"{__name__}.Number", "value": -2}
    outer.value = [*({"_target_": f"{__name__}.Number", "value": i} for i in range(10)), wrong]
    with pytest.raises(ConfigError, match=r"^deep\.part\.value\[10\]: value must be"):
        built(outer)
    outer.value = {"of": [1], "of0": wrong}
    with pytest.raises(ConfigError, match=r"^deep\.part\.value\.of0: value must be"):
        built(outer)


def test_a_nested_node_is_named_by_its_own_path():
    outer = node("{}")
    outer.value = {"_target_": f"{__name__}.Number", "value": -2}
    with pytest.raises(ConfigError, match=r"^deep.part.value: value must be"):
        built(outer)


@pytest.mark.parametrize("partial", [False, True])
def test_a_bug_keeps_its_own_exception(partial):
    bug = node("{value: 1, error: bug}")
    bug._partial_ = partial
    with pytest.raises(AttributeError, match="a bug of ours"):
        built(bug)()


def test_other_refusals_are_named_by_who_builds():
    bug = node("{value: 1, error: bug}")
    with pytest.raises(ConfigError, match=r"deep.part: a bug of ours"):
        built(bug, refused=(AttributeError,))


def test_a_users_own_group_option_is_found_beside_ours(folder):
    (folder / "backbone").mkdir()
    (folder / "backbone" / "broad.yaml").write_text(
        "_target_: mlp_torch.backbone.mlp.MLP\n_partial_: true\nhidden: [7]\n"
    )
    assert list(composed(["experiment=tiny", "backbone=broad", "backbone.hidden=[8]"], folder).backbone.hidden) == [8]
    assert "did you mean broad?" in refused(["experiment=tiny", "backbone=broa"], folder)
    assert "broad" not in refused(["experiment=quickstart", "backbone=broa"])


def test_an_experiment_in_a_subfolder_is_found(folder):
    (folder / "experiment" / "new").mkdir()
    (folder / "experiment" / "new" / "first.yaml").write_text(
        "# @package _global_\ndefaults: [/experiment/tiny]\nseed: 5\n"
    )
    assert composed(["experiment=new/first"], folder).seed == 5


def test_an_experiment_may_override_a_group_and_drop_an_inherited_column(folder):
    overrides = experiment(folder, "  - override /scheduler: cosine\ndata: {columns: {age: null}}\n")
    cfg = composed(overrides, folder)
    check_targets(cfg)
    assert cfg.scheduler._target_.endswith("CosineAnnealingLR")
    assert cfg.data.columns.age is None


def test_a_list_without_brackets_is_several_choices_and_one_in_brackets_a_value():
    found = choices(["experiment=a,b", "seed=range(1,3)", "backbone.hidden=[1,2],[3]", "name=x", "~x"])
    assert found[:2] == [["experiment=a", "experiment=b"], ["seed=1", "seed=2"]]
    assert found[2:] == [["backbone.hidden=[1,2]", "backbone.hidden=[3]"], ["name=x"], ["~x"]]


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (3, int, True),
        (True, int, False),
        (True, bool, True),
        (3, float, True),
        ("3", float, False),
        (None, int | None, True),
        (None, int, False),
        ("abc", list[str], False),
        (["a"], tuple[str, ...], True),
        (["a", "b"], tuple[str, str], True),
        (["a"], tuple[str, str], False),
        ([1], list[str], False),
        ({"a": 1}, dict[str, float], True),
        ({"a": "x"}, dict[str, float], False),
        ({"_target_": "x"}, int, True),
        ([{"_target_": "x"}], list[int], True),
        ([], list[int], True),
    ],
)
def test_plain_values_are_judged_by_type_hints(value, hint, expected):
    assert fits(value, hint) is expected


def test_hints_are_told_in_words():
    assert told(tuple[str, ...] | None) == "list[str] or null"


def test_a_folder_of_ones_own_may_have_any_name(tmp_path):
    folder = tmp_path / "it's mine, [100%] größe"
    (folder / "experiment").mkdir(parents=True)
    (folder / "experiment" / "own.yaml").write_text("# @package _global_\nname: own\n")
    assert composed(["experiment=own"], folder).name == "own"
