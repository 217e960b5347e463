"""Pretraining: fields that another row's values replaced, told and guessed, without a label."""

import io
import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
import torch
from torch import Tensor
from training.test_resume import same

from mlp_torch import build
from mlp_torch.backbone.mlp import MLP
from mlp_torch.backbone.tabm import TabM
from mlp_torch.column import Column
from mlp_torch.configuration import composed
from mlp_torch.errors import ConfigError
from mlp_torch.head import Batch
from mlp_torch.ingest.source import Frame
from mlp_torch.model import Model, answers, padded
from mlp_torch.parts import Parts
from mlp_torch.problem.classification import Binary
from mlp_torch.representation.embeddings import Embedding
from mlp_torch.representation.numbers import Scaled
from mlp_torch.representation.numerical_embeddings import PiecewiseLinear
from mlp_torch.representation.text import Text
from mlp_torch.reproducibility.split import ByFingerprint
from mlp_torch.reproducibility.transform import restore
from mlp_torch.target import Category, Target, Unlabelled
from mlp_torch.training.batches import select
from mlp_torch.training.data import Data
from mlp_torch.training.pretraining import Masked, grouped, told
from mlp_torch.transfer.configured import own_origin
from mlp_torch.verbs.train import main

BODY = partial(MLP, hidden=[32, 32])
STOP = "+callback.stop={_target_: tiny.Stop, after: 5}"


@pytest.fixture(autouse=True)
def _arguments(monkeypatch):
    monkeypatch.setattr("sys.argv", ["train.py"])  # Hydra reads it; main sets it


def prepared(columns: dict[str, Column] | None = None, target: Target | None = None, table: pa.Table = None) -> Data:
    source = Frame(tiny.table() if table is None else table)
    split = ByFingerprint(["id"], val=0.2, test=0.2, calibration=0)
    return Data(source, columns or tiny.columns(), target or Unlabelled(), split, key=["id"]).prepare()


def parts(data: Data, backbone=BODY) -> Parts:
    torch.manual_seed(0)
    return build.parts(data, backbone, Binary)


@pytest.fixture(scope="module")
def data() -> Data:
    return prepared()


@pytest.fixture(scope="module")
def model(data) -> Masked:
    return Masked(parts(data))


def test_what_a_later_run_takes_has_the_names_and_shapes_of_its_own(data, model):
    labelled = prepared(target=Category("late", classes=["on time", "late"]))
    single = parts(labelled).single().state_dict()
    shared = {name for name in single if not name.startswith("head.")}
    assert len(shared) > 8
    assert all(model.state_dict()[name].shape == single[name].shape for name in shared)
    more = set(model.state_dict()) - shared - {"head.output.weight", "head.output.bias"}
    assert {"output.weight", "asked.city.entropy", "other_city"} <= more


def test_a_row_is_asked_the_same_alone_in_company_and_at_any_time(data, model):
    features = data.tables["val"].features
    together = answers(model, features)
    torch.rand(3)  # a draw elsewhere changes nothing
    assert torch.equal(answers(model, features), together)
    for row in (0, 5, len(together) - 1):
        alone = answers(model, {name: x[row : row + 1] for name, x in features.items()})
        assert torch.equal(alone[0], together[row])
    turned = answers(model, {name: x.flip(0) for name, x in features.items()})
    assert torch.equal(turned.flip(0), together)
    assert len(torch.unique(together[:, 1])) > len(together) / 2  # not all are asked alike


def test_what_was_learned_returns_from_a_file_with_what_replaces_values(data, model):
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    given = parts(data)
    another = Masked(replace(given, features={name: x[:500] for name, x in given.features.items()}))
    features = data.tables["val"].features
    assert not torch.equal(answers(another, features), answers(model, features))
    restore(another, torch.load(file, weights_only=True))
    assert torch.equal(answers(another, features), answers(model, features))


def test_in_training_what_is_asked_is_drawn_from_torchs_own_generator(data):
    model, few = Masked(parts(data)).train(), {name: x[:64] for name, x in data.tables["train"].features.items()}
    outs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        outs.append(model(few))
    assert torch.equal(outs[0], outs[1])
    assert not torch.equal(outs[0], outs[2])


def seen_by(model: Masked, features: dict[str, Tensor]) -> dict[str, Tensor]:
    """What reaches the encoder."""
    found: list[dict[str, Tensor]] = []
    hook = model.encoder.register_forward_pre_hook(lambda module, args: found.append(args[0]))
    with torch.no_grad():
        model(features)
    hook.remove()
    return found[0]


@pytest.mark.parametrize("training", [True, False])
def test_columns_of_a_field_in_common_get_the_values_of_one_row_and_a_share_is_replaced(data, training):
    model, features = Masked(parts(data), share=0.4).train(training), data.tables["train"].features
    seen = seen_by(model, features)
    assert ["city", "hour", "time", "city_hour"] in model.groups
    assert triples(seen) <= triples(features)
    differs = seen["tail"] != features["tail"]
    assert 0.33 < differs.float().mean() < 0.45  # of 200 tails in 50 buckets few are the same by chance
    together = (seen["tail"] != features["tail"]) == (seen["age"] != features["age"]).any(dim=1)
    assert 0.4 < together.float().mean() < 0.65  # each group by a chance of its own: .4² + .6² = .52


def triples(features: dict[str, Tensor]) -> set[tuple[int, ...]]:
    return set(zip(*(features[name].tolist() for name in ("city", "hour", "city_hour")), strict=True))


@pytest.mark.parametrize("members", [1, 3])
def test_who_knows_shares_and_means_alone_loses_one(members):
    draw = np.random.default_rng(0)
    n = 20_000
    table = pa.table(
        {
            "id": [f"r{i}" for i in range(n)],
            "city": draw.choice(["a", "b", "c"], n, p=[0.7, 0.2, 0.1]),
            "size": draw.normal(5, 3, n),
            "age": draw.exponential(2, n),
        }
    )
    columns = {"city": Embedding("city"), "size": PiecewiseLinear("size", bins=8), "age": Scaled("age")}
    data = prepared(columns, table=table)
    body = BODY if members == 1 else partial(TabM, k=members, d_block=32)
    model = Masked(parts(data, body), share=0.3)
    train = data.tables["train"]
    with torch.no_grad():
        model.output.weight.zero_()
        model.output.bias.zero_()
        model.output.bias[:, :3] = torch.tensor([0.3 * (1 - 0.54), 0.3, 0.3]).logit()  # .7² + .2² + .1² = .54
        share = torch.bincount(train.features["city"], minlength=model.sizes[1]) / len(train.y)
        model.output.bias[:, 3 : 3 + len(share)] = share.clamp(min=1e-9).log()
    for mode in (True, False):
        with torch.no_grad():
            out = model.train(mode)(padded(train.features))[: len(train.y)]
        assert out.mean(dim=0).tolist() == pytest.approx([1, 1], abs=0.03)
    batch = Batch({}, train.y, train.weight, train.row)
    assert torch.allclose(Masked(parts(data), guess=2, detect=0).head.loss(out, batch), 2 * out[:, 0])


def test_words_and_what_never_varies_are_seen_but_not_guessed():
    table = tiny.table()
    texts = pa.array([f"{city} by night" for city in table["city"].to_pylist()])
    table = table.append_column("text", texts).append_column("flat", pa.array([1.0] * len(table)))
    columns = {"age": Scaled("age"), "text": Text("text"), "flat": Scaled("flat"), "tail": Embedding("tail")}
    data = prepared(columns, table=table)
    model = Masked(parts(data))
    assert list(model.asked) == ["age", "tail"]
    assert "of text, flat is asked only whether they were" in model.head.notes()[0]
    assert "tail" not in Masked(parts(data), most=100).asked
    assert "flat" in seen_by(model, data.tables["val"].features)
    few = prepared({name: columns[name] for name in ("text", "flat")}, table=table)
    with pytest.raises(ConfigError, match=r"detect must be more than 0 where .* beside text, flat"):
        Masked(parts(few), detect=0)


def test_a_column_that_joins_two_groups_makes_them_one():
    columns = {"a": Scaled("x"), "b": Scaled("y"), "c": PiecewiseLinear(["y", "x"]), "d": Scaled("z")}
    assert grouped(columns) == [["a", "b", "c"], ["d"]]
    assert told(grouped(columns), ["a"]).endswith("guessed are a; of b, c, d is asked only whether they were")


@pytest.mark.parametrize(
    ("columns", "target", "message"),
    [
        (None, Category("late", classes=["on time", "late"]), "a target that reads no label"),
        (
            {"age": PiecewiseLinear("age", by="tree"), "tail": Embedding("tail")},
            None,
            "columns that are fitted without labels, however: age",
        ),
        ({"both": PiecewiseLinear(["age", "size"])}, None, "both read the same; give each field a column"),
    ],
)
def test_what_would_see_labels_or_could_guess_nothing_is_refused(columns, target, message):
    data = prepared(columns, target)
    with pytest.raises(ConfigError, match=message):
        Masked(parts(data))


@pytest.mark.parametrize("options", [{"share": 0.0}, {"share": 1.0}, {"guess": 0, "detect": 0}, {"guess": -1.0}])
def test_options_that_mean_nothing_are_refused(data, options):
    with pytest.raises(ValueError, match="must be"):
        Masked(parts(data), **options)


def clusters(rows: int = 4000, kinds: int = 8, fields: int = 6) -> pa.Table:
    """Rows of hidden kinds: each field has 4 words of a kind's own, and a fourth of its cells are anybody's."""
    draw = np.random.default_rng(3)
    kind = draw.integers(0, kinds, rows)
    cells = np.where(draw.random((fields, rows)) < 0.25, draw.integers(0, kinds, (fields, rows)), kind)
    words = cells * 4 + draw.integers(0, 4, (fields, rows))
    columns = {f"f{i}": [f"w{word}" for word in row] for i, row in enumerate(words)}
    return pa.table({"id": [f"r{i}" for i in range(rows)], **columns, "late": np.where(kind % 2, "late", "on time")})


def learn(model: Model, table: Batch, steps: int) -> None:
    torch.manual_seed(1)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.003)
    model.train()
    for _ in range(steps):
        batch = select(table, torch.randint(len(table.y), (min(128, len(table.y)),)))
        optimizer.zero_grad()
        model.loss(model(batch.features), batch).mean().backward()
        optimizer.step()


def right_of(table: pa.Table, **objective: float) -> dict[str, float]:
    """The share of test rows that are told rightly by 24 labels, from scratch and after all rows without theirs."""
    columns: dict[str, Column] = {f"f{i}": Embedding(f"f{i}", dim=8) for i in range(6)}
    data = prepared(columns, Category("late", classes=["on time", "late"]), table)
    train, test, given = data.tables["train"], data.tables["test"], parts(data)
    before = Masked(replace(given, y=torch.zeros(len(train.y))), **objective)
    learn(before, train, 600)
    found = {}
    for name in ("scratch", "pretrained"):
        torch.manual_seed(0)
        model = given.single()
        if name == "pretrained":
            model.encoder.load_state_dict(before.encoder.state_dict())
            model.backbone.load_state_dict(before.backbone.state_dict())
        learn(model, select(train, torch.arange(24)), 100)
        said = model.predict(answers(model, test.features))["class"]
        found[name] = float((said == test.y).float().mean())
    return found


@pytest.mark.parametrize(("objective", "gain"), [({"detect": 0}, 0.12), ({"guess": 0}, 0.03), ({}, 0.12)], ids=str)
def test_hidden_kinds_that_many_rows_show_need_few_labels(objective, gain):
    right = right_of(clusters(), **objective)  # 24 rows show half of a field's 32 words: from scratch .77
    assert right["pretrained"] > right["scratch"] + gain


def test_rows_whose_fields_say_nothing_of_each_other_teach_nothing():
    table, draw = clusters(), np.random.default_rng(5)
    for i in range(6):
        table = table.set_column(i + 1, f"f{i}", table[f"f{i}"].take(pa.array(draw.permutation(len(table)))))
    late = ["late" if int(word[1:]) // 4 % 2 else "on time" for word in table["f0"].to_pylist()]
    right = right_of(table.set_column(7, "late", pa.array(late)), detect=0)
    assert right["pretrained"] < right["scratch"] + 0.05


def written(folder: Path, table: pa.Table) -> list[str]:
    """The arguments of the tiny experiment with a run before, on another table."""
    folder.mkdir(exist_ok=True)
    arguments = tiny.experiment(folder)
    pq.write_table(table, folder / "tiny.parquet")
    before = ["pretraining=masked", "+init_from.trainer={max_epochs: 2}"]
    return [*arguments, *before, "trainer.max_epochs=1", "importance=null", "backbone.hidden=[32,32]"]


def latest(folder: Path) -> Path:
    return (folder / "runs" / "tiny" / "latest").resolve()


def origin(folder: Path) -> dict[str, Tensor]:
    """The best state of the run before."""
    return tiny.best(latest(folder) / "origin" / "checkpoints")["state_dict"]


def test_rows_without_a_label_are_learned_from_and_no_label_changes_a_bit(tmp_path, caplog):
    caplog.set_level("INFO", "mlp_torch")
    table, draw = tiny.table(), np.random.default_rng(7)
    at = table.column_names.index("late")
    late = table["late"].to_pylist()
    few = [word if draw.random() < 0.2 else None for word in late]
    tables = {
        "few": table.set_column(at, "late", pa.array(few)),
        "wrong": table.set_column(at, "late", pa.array([word and ("late", "on time")[word == "late"] for word in few])),
        "all": table,
        "other": table.set_column(table.column_names.index("age"), "age", pa.array(draw.permutation(1200) / 20.0)),
    }
    policy = ["+data.fields.late={missing: drop}"]
    for name, each in tables.items():
        assert main([*written(tmp_path / name, each), *policy]) == 0
    run = latest(tmp_path / "few")
    counts = [json.loads((folder / "row_counts.json").read_text()) for folder in (run, run / "origin")]
    assert counts[0]["splits"]["train"] < 200
    assert counts[1]["splits"]["train"] > 550
    for name in ("wrong", "all"):
        assert same(origin(tmp_path / "few"), origin(tmp_path / name))
    assert not same(origin(tmp_path / "few"), origin(tmp_path / "other"))  # fields do
    report = json.loads((run / "transfer.json").read_text())
    assert "encoder.layers.city.table.weight" in report["loaded"]
    assert report["missing"]["head.output.weight"] == "of another target or head"
    assert "output.weight" in report["unexpected"]
    assert "groups of columns are replaced by chance; guessed are city, age, hour, city_hour" in caplog.text


def test_a_table_on_disk_teaches_the_same(tmp_path):
    whole = {}
    for name in ("memory", "disk"):
        arguments = written(tmp_path / name, tiny.table())
        path = f"path: {tmp_path / name / 'tiny.parquet'}, folder: {tmp_path / name / 'encoded'}"
        shards = f"+data.source={{_target_: mlp_torch.training.table.shards.parquet, {path}}}"
        assert main([*arguments, *(["~data.source", shards] if name == "disk" else [])]) == 0
        whole[name] = origin(tmp_path / name)
    learned = [{key: x for key, x in state.items() if key.startswith("model.")} for state in whole.values()]
    assert same(*learned)


def test_what_is_exported_is_the_graph_of_a_run_without_it(tmp_path):
    arguments = written(tmp_path, tiny.table())
    graphs = []
    for more in ([], ["init_from=null"]):
        assert main([*arguments, *more]) == 0
        graph = torch.jit.load(latest(tmp_path) / "model" / "model.pt").inlined_graph
        told = [(node.kind(), [str(x.type()) for x in node.outputs()]) for node in graph.nodes()]
        graphs.append([(kind, [re.sub(r"_mangle_\d+", "", text) for text in types]) for kind, types in told])
        (latest(tmp_path).parent / "latest").unlink()
    assert graphs[0] == graphs[1]  # constants with their shapes among them
    assert len(graphs[0]) > 50


def test_a_run_that_dies_before_and_after_it_goes_on_to_the_same_bits(tmp_path):
    arguments = written(tmp_path, tiny.table())
    assert main([*arguments, f"runs={tmp_path}/whole"]) == 0
    with pytest.raises((RuntimeError, SystemExit)):
        main([*arguments, f"runs={tmp_path}/killed", STOP])
    run = (tmp_path / "killed/tiny/latest").resolve()
    assert not (run / "init_from.pt").exists()
    allowed = [f"resume={run}", "resume_allow=[callback.stop]", "allow=[tiny.Stop]"]
    assert main([*allowed, "callback.stop=null"]) == 0
    for place in ("origin/checkpoints", "checkpoints"):
        ends = [tiny.last(folder / place)["state_dict"] for folder in ((tmp_path / "whole/tiny/latest").resolve(), run)]
        assert same(*ends), place


def test_rebalancing_and_metrics_are_of_the_labels_and_so_of_the_run_itself(tmp_path):
    arguments = written(tmp_path, tiny.table())
    metric = "+metric.worth={_target_: mlp_torch.problem.value.Value, tp: 1}"
    cfg = composed([*arguments[2:], "rebalancing=class_weights", metric], Path(arguments[1]))
    own = own_origin(cfg, "")
    assert "_target_" in cfg.rebalancing
    assert (own.rebalancing, own.metric) == (None, None)
    assert main([*arguments, "rebalancing=class_weights", f"runs={tmp_path}/runs"]) == 0


def test_a_run_of_its_own_without_a_target_is_refused_before_anything_is_read(tmp_path, capsys):
    arguments = written(tmp_path, tiny.table())
    with pytest.raises(ConfigError, match=r"data\.target must be what is predicted"):
        main([*arguments, "~data.target", "+data.target={_target_: mlp_torch.target.Unlabelled}", "init_from=null"])
    with pytest.raises(SystemExit):
        main([*arguments, "+data.fields.lat={missing: drop}"])
    assert "data.fields.lat; did you mean late" in capsys.readouterr().err
    assert not list((tmp_path / "runs").glob("tiny/2*/origin/checkpoints"))
