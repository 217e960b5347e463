"""What a stored configuration may build, and who says so."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import tiny
import yaml
from commands import run
from omegaconf import OmegaConf

from mlp_torch import archives, files, foreign, stored
from mlp_torch.__main__ import main
from mlp_torch.configuration import CONFIGS, composed, options
from mlp_torch.errors import ConfigError, ModelError
from mlp_torch.foreign import KINDS, NAMED, OURS, configuration, is_part, judge, own, reached
from mlp_torch.ingest.schema import MAX_CELL
from mlp_torch.serving.export import SHIPPED
from mlp_torch.verbs import sweep as sweep_module
from mlp_torch.verbs.folders import allowed, new_folder, placed, resumed, stored_configuration
from mlp_torch.verbs.options import check_model
from mlp_torch.verbs.sweep import again
from mlp_torch.verbs.train import main as train
from mlp_torch.verbs.train import trusted

ROOT = CONFIGS.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = [README, *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))]
SQUARED = README[
    README.index("from torch import Tensor, nn\n") : README.index("    data: {columns: {area:")
].rpartition("```")[0]
ALLOW = "allow=[mypackage.squared.Squared]"
PLACE = Path("config.yaml")


def names_in(node: object) -> Iterator[str]:
    for _, table in foreign.nodes(node):
        if "_target_" in table:
            yield str(table["_target_"])


@pytest.mark.parametrize("name", sorted(options(None)["experiment"]))
def test_a_run_of_each_experiment_may_go_on(name: str) -> None:
    plain = OmegaConf.to_container(composed([f"experiment={name}"]), resolve=False)
    assert len(list(names_in(plain))) > 10
    judge(plain, PLACE)


def test_each_part_that_our_configurations_and_documents_name_may_be_built() -> None:
    """One that is missing is to be added to `foreign.NAMED`, if nothing but its files and its computing comes of it."""
    # a study's sampler and pruner are built by the command that begins it, and are in no run's configuration
    paths = sorted(path for path in CONFIGS.rglob("*.yaml") if path.parent.name != "hparams_search")
    found = {name for path in paths for name in names_in(yaml.safe_load(path.read_text(encoding="utf-8")))}
    found |= {name for text in TEXTS for name in re.findall(r"_target_: (\w+(?:\.\w+)+)", text)}
    found -= {"mypackage.squared.Squared", "mypackage.trunks.small", "mypackage.trunks.in_parts", "os.system"}
    assert len(found) > 90
    assert sorted(name for name in found if not is_part(name)) == []


def test_each_name_of_the_list_is_there_and_each_kind_is_a_class() -> None:
    for module, names in NAMED.items():
        for name in names:
            assert is_part(f"{module}.{name}"), f"{module}.{name}"
    for name in KINDS:
        module, _, last = name.rpartition(".")
        found = getattr(import_module(module), last)
        assert (found.__module__, found.__name__) == (module, last)
    for name in {*OURS, *(package for packages in KINDS.values() for package in packages)}:
        import_module(name)


@pytest.mark.parametrize(
    "name",
    [
        *("lightning.Trainer", "lightning.pytorch.callbacks.EarlyStopping", "torch.nn.Linear", "torch.optim.SGD"),
        *("torchmetrics.MeanSquaredError", "mlp_torch.ingest.source.Csv"),
    ],
)
def test_a_name_under_which_a_package_hands_on_what_it_defines_elsewhere_is_followed(name: str) -> None:
    assert is_part(name)
    assert reached(name).__module__ != name.rpartition(".")[0]


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "mlp_torch", "mlp_torch.", "torch.nn", "mlp_torch.model", "mlp_torch.model.Model.forward"),
        *("mlp_torch.model.nn.functional.relu", "mlp_torch.files.json.load", "mlp_torch.training.data.Path"),
        *("mlp_torch.nothing.Nothing", "torch.nn.modules.linear.torch.load", "mlp_torch.column.__loader__.load_module"),
        *("mlp_torch.representation.numbers.Scaled.__init__.__globals__", "mlp_torch.model.torch.hub.load"),
        *("mlp_torch_of_others.Code", "torchmetricsx.Metric", "lightning_of_others.pytorch.Trainer", "a b", "x;y.z"),
    ],
)
def test_a_name_that_only_looks_like_ours_is_none(name: str) -> None:
    assert not is_part(name)


def test_nothing_that_is_refused_is_imported(tmp_path: Path) -> None:
    """Importing a module runs it: judging by what it turns out to be would be too late."""
    for package in ("evil", "mlp_torch_evil"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("open('canary', 'w').close()\nclass Code: pass\n")
    program = (
        "import sys; sys.path.insert(0, ''); from pathlib import Path; from mlp_torch.foreign import judge\n"
        "from mlp_torch.errors import ConfigError\n"
        "for name in ('evil.Code', 'mlp_torch_evil.Code', 'mlp_torch.evil.Code'):\n"
        "    try: judge({'a': {'_target_': name}}, Path('config.yaml'))\n"
        "    except ConfigError: print('refused')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["refused"] * 3
    assert not (tmp_path / "canary").exists()
    subprocess.run([sys.executable, "-c", "import evil"], cwd=tmp_path, check=True)  # the control
    assert (tmp_path / "canary").exists()


def test_all_names_that_are_to_be_allowed_are_told_at_once_in_the_words_to_type() -> None:
    plain = {"a": {"_target_": "mine.A"}, "b": [{"_target_": "mine.B"}], "c": {"_target_": "mine.A"}}
    with pytest.raises(ConfigError, match=r"config.yaml: a._target_ must name .*: mine.A \(b\[0\]._target_: mine.B, c"):
        judge(plain, PLACE)
    with pytest.raises(ConfigError, match=r"trust it, add 'allow=\[mine.A,mine.B\]'$"):
        judge(plain, PLACE)
    with pytest.raises(ConfigError, match=r"add --allow mine.B$"):
        judge(plain, PLACE, ["mine.A"], say=foreign.in_options)
    judge(plain, PLACE, ["mine.A", "mine.B"])
    assert own(plain) == ["mine.A", "mine.B"]


def test_what_nobody_has_written_for_himself_is_not_offered_to_be_allowed() -> None:
    for name in ("os.system", "torch.hub.load", "a b; rm -rf .", "x" * 500 + ".y"):
        with pytest.raises(ConfigError, match="a stored configuration never builds") as caught:
            judge({"a": {"_target_": "mine.A"}, "b": {"_target_": name}}, PLACE)
        assert "allow" not in str(caught.value)


def test_a_name_is_allowed_as_a_whole_and_not_what_lies_below_it() -> None:
    for name in ("mine.A.b", "mine", "mine.A.os.system", "Mine.A"):
        with pytest.raises(ConfigError):
            judge({"a": {"_target_": name}}, PLACE, ["mine.A"])


def test_a_driver_of_a_database_is_imported_and_so_must_be_allowed() -> None:
    plain = {
        "_target_": "mlp_torch.ingest.source.Sql",
        "query": "select 1",
        "driver": "adbc_driver_postgresql",
        "uri": "x",
    }
    with pytest.raises(ConfigError, match=r"driver must name .*add 'allow=\[adbc_driver_postgresql\]'"):
        judge({"source": plain}, PLACE)
    judge({"source": plain}, PLACE, ["adbc_driver_postgresql"])
    judge({"source": {**plain, "driver": None}}, PLACE)
    with pytest.raises(ConfigError, match=r"os\.system"):
        judge({"source": {**plain, "_target_": "os.system"}}, PLACE, ["adbc_driver_postgresql"])


def test_a_configuration_of_plain_values_is_read_as_it_was_written(tmp_path: Path) -> None:
    cfg = composed(["experiment=quickstart"])
    path = new_folder(OmegaConf.merge(cfg, {"runs": str(tmp_path)})) / "config.yaml"
    assert configuration(path) == OmegaConf.load(path)


def test_a_configuration_of_thousands_of_columns_is_read(tmp_path: Path) -> None:
    column = "  c{0}: {{_target_: mlp_torch.representation.numbers.Scaled, field: c{0}}}\n"
    path = tmp_path / "config.yaml"
    path.write_text("columns:\n" + "".join(column.format(i) for i in range(3_000)))
    assert len(configuration(path).columns) == 3_000


def test_the_page_on_security_tells_of_every_file_of_a_run_and_a_model() -> None:
    page = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    shown = re.findall(r"^RUN/  (.*?)\n\"", (ROOT / "mlp_torch" / "run.py").read_text(), re.DOTALL | re.MULTILINE)
    names = [name for name in re.findall(r"[\w./{},-]+", shown[0]) if "STAGE" not in name and "{" not in name]
    for name in [*names, *SHIPPED, "manifest.json", "sweep.json", files.LOCK]:
        assert f"{name.rstrip('/')}" in page, name
    assert len(names) > 5
    for limit in (stored.NODES, stored.LONGEST, archives.MEMBERS, MAX_CELL):
        assert f"{limit:,}" in page
    for limit in (stored.LARGEST, files.LARGEST, archives.PICKLE):
        assert f"{limit // 2**20} MB" in page


# --- a run with a column of one's own


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the README's package, and an experiment that uses it."""
    folder = tmp_path_factory.mktemp("place")
    tiny.experiment(folder)
    (folder / "mypackage").mkdir()
    (folder / "mypackage" / "__init__.py").write_text("")
    (folder / "mypackage" / "squared.py").write_text(SQUARED)
    text = "# @package _global_\ndefaults: [tiny]\nname: mine\n"
    text += "data: {columns: {area: {_target_: mypackage.squared.Squared, field: size, scale: 100}}}\n"
    (folder / "configs" / "experiment" / "mine.yaml").write_text(text)
    return folder


@pytest.fixture
def stopped(place: Path, tmp_path: Path) -> Path:
    """Its run, before the first step."""
    return new_folder(composed(["experiment=mine", f"runs={tmp_path}"], place / "configs"))


def test_ones_own_run_goes_on_once_its_class_is_allowed(stopped: Path, place: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(place)
    with pytest.raises(
        ConfigError, match=r"config.yaml: data.columns.area._target_ must .* add 'allow=\[mypackage.*'$"
    ):
        resumed([f"resume={stopped}"])
    with pytest.raises(ConfigError, match="must name a part"):
        resumed([f"resume={stopped}", "allow=[mypackage.squared.Other]"])
    cfg, _ = resumed([f"resume={stopped}", ALLOW])
    assert cfg.data.columns.area.scale == 100
    assert trusted(cfg) == f" '{ALLOW}'"
    assert trusted(composed(["experiment=quickstart"])) == ""


def test_what_a_run_says_of_itself_that_it_allows_does_not_count(stopped: Path, place: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(place)
    path = stopped / "config.yaml"
    text = path.read_text()
    assert "allow: []" in text
    path.write_text(text.replace("allow: []", "allow: [mypackage.squared.Squared]"))
    with pytest.raises(ConfigError, match="must name a part"):
        resumed([f"resume={stopped}"])


@pytest.mark.parametrize("text", ["allow=mine.A", "allow=[1]", "allow=null"])
def test_what_is_no_list_of_names_allows_nothing(text: str) -> None:
    with pytest.raises(ConfigError, match=f"allow must be a list of names.*however: {re.escape(text)}"):
        allowed([text])


def test_runs_with_ones_own_class_are_swept_and_evaluated_without_a_word(place: Path) -> None:
    arguments = ["--config-dir", str(place / "configs"), "experiment=mine", "-m", "seed=1,2", "trainer.max_epochs=1"]
    code, output = run([*arguments, "importance=null", "data.batch_size=512"], place)
    assert code == 0, output
    (sweep,) = (place / "runs" / "mine").glob("*-sweep")
    member = sweep / "seed-2"
    with pytest.raises(ConfigError, match="must name a part"):  # as a member's process would, if it were not told
        placed(stored_configuration(member / "config.yaml"), member)
    told = again(sweep, ["mypackage.squared.Squared"])
    assert told.endswith(f"resume={sweep} '{ALLOW}'")
    model = sweep / "seed-1" / "model"  # evaluation builds no column, so nothing of one's own
    assert main(["evaluate", "--model", str(model), "--input", str(place / "tiny.parquet")]) == 0


def test_a_sweep_that_goes_on_hands_to_its_runs_what_is_allowed(tmp_path: Path, monkeypatch) -> None:
    files.write_json(tmp_path / "sweep.json", {"arguments": [], "members": []})
    heard = []
    monkeypatch.setattr(sweep_module, "through", lambda folder, allow: heard.append(allow) or ["a"])
    with pytest.raises(SystemExit):
        train([f"resume={tmp_path}", ALLOW])
    assert heard == [["mypackage.squared.Squared"]]


def test_a_head_of_ones_own_is_evaluated_once_it_is_allowed(place: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(place)
    (place / "mypackage" / "heads.py").write_text(
        "from mlp_torch.problem.classification import Binary\nclass Own(Binary):\n    'A binary head.'\n"
    )
    cfg = composed(["experiment=tiny", f"runs={tmp_path}"], place / "configs")
    text = OmegaConf.to_yaml(cfg, resolve=True).replace(
        "mlp_torch.problem.classification.Binary", "mypackage.heads.Own"
    )
    model = tiny.shipped(tiny.data(300), tmp_path / "model", config=text)
    command = ["evaluate", "--model", str(model), "--input", str(place / "tiny.parquet")]
    assert main(command) == 2
    assert main([*command, "--allow", "mypackage.heads.Own"]) == 0


# --- a model that is pinned by one number


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny.shipped(tiny.data(300), tmp_path / "model")


def serving(model: Path, sha256: str) -> list[list[str]]:
    return [
        ["serve", str(model), "--sha256", sha256],
        ["predict", "--model", str(model), "--input", "x.csv", "--output", "x.parquet", "--sha256", sha256],
        ["evaluate", "--model", str(model), "--input", "x.csv", "--sha256", sha256],
    ]


def test_a_model_that_is_not_the_one_with_this_sha256_is_refused_before_it_is_loaded(model, capsys, monkeypatch):
    from mlp_torch.serving import predictor

    monkeypatch.setattr(predictor.torch.jit, "load", lambda *_, **__: pytest.fail("it was loaded"))
    known = files.sha256(model / "manifest.json")
    manifest = json.loads((model / "manifest.json").read_text())
    (model / "manifest.json").write_text(json.dumps({**manifest, "metrics": {"test/auroc": 1.0}}))
    for command in serving(model, known):
        assert main(command) == 2
        told = capsys.readouterr().err
        assert f"{model}/manifest.json must have the sha256 {known}, however: " in told
    import mlp_torch

    with pytest.raises(ModelError, match="must have the sha256"):
        mlp_torch.load(model, sha256=known)


def test_a_file_that_is_not_the_manifests_is_refused(model, capsys):
    import mlp_torch

    known = files.sha256(model / "manifest.json")
    (model / "model.pt").write_bytes((model / "model.pt").read_bytes() + b"x")
    with pytest.raises(ModelError, match=r"model\.pt is damaged: its sha256 is not the manifest's"):
        mlp_torch.load(model, sha256=known)


def test_a_file_that_the_manifest_does_not_name_is_refused_where_a_sha256_is_asked_for(model, capsys):
    known = files.sha256(model / "manifest.json")
    (model / "config.yaml").write_text("head: {_target_: os.system}")
    for command in serving(model, known):
        assert main(command) == 2
        assert f"{model}/config.yaml must be named in manifest.json" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:on this machine a row's last bits:RuntimeWarning")
def test_the_model_with_this_sha256_is_loaded_in_capitals_too(model):
    import mlp_torch

    known = files.sha256(model / "manifest.json")
    for sha256 in (known, known.upper()):
        check_model(str(model), sha256)  # as serve, predict and evaluate do
        assert mlp_torch.load(model, sha256=sha256).name == "tiny"


@pytest.mark.parametrize("text", ["", "12", "g" * 64, "a" * 65, "sha256:" + "a" * 64])
def test_what_is_no_sha256_is_told_before_anything_is_read(text, capsys):
    assert main(["serve", "nowhere", "--sha256", text]) == 2
    assert "must be the 64 hex digits that `sha256sum` prints" in capsys.readouterr().err


def test_a_lock_that_is_a_link_leaves_what_it_leads_to_as_it_was(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "letters").write_text("dear")
    (tmp_path / "run" / files.LOCK).symlink_to(tmp_path / "letters")
    with pytest.raises(ConfigError, match=r"\.lock must be a file of the run's own"), files.held(tmp_path / "run"):
        pass
    assert (tmp_path / "letters").read_text() == "dear"
