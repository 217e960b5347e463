"""From someone's own table to an experiment: what is found, what is proposed, and that it trains unedited."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from own_table import DRAW, EXPERIMENT, column_of, numbers, prepared, proposal, words, write

from mlp_torch.__main__ import main as command_line
from mlp_torch.configuration import composed
from mlp_torch.errors import ConfigError, DataError
from mlp_torch.proposal.yaml import joined
from mlp_torch.verbs.init import main

NAMES = [
    "a b",
    "a.b",
    "x: y",
    'say "hi"',
    "größe",
    "1st",
    "no",
    "null",
    "class",
    "type",
    "${x}",
    "$",
    "年齢",
    "a\nb",
    "???",
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_field_becomes_a_column_under_whatever_name() -> None:
    write({**{name: numbers() for name in NAMES}, "y": words(400, "a", "b")})
    cfg = proposal()
    assert [column["field"] for column in cfg["data"]["columns"].values()] == NAMES
    data = prepared()
    assert [column.reads["x"].field for column in data.transform.named_columns().values()] == NAMES
    assert {"class_", "type_", "no_", "null_", "a_b", "a_b_2", "a_b_3", "field_1st"} <= set(cfg["data"]["columns"])


@pytest.mark.parametrize("target", ["${y}", "a.b: c", "null", "???"])
def test_a_target_of_any_name_can_be_predicted_and_have_missing_labels(target: str) -> None:
    write({"x": numbers(), target: [*words(390, "yes", "no"), *[None] * 10]})
    cfg = proposal(target=target)
    assert cfg["data"]["target"]["field"] == target
    assert cfg["data"]["fields"] == {target: {"missing": "drop"}}
    assert prepared().counts["dropped"] == {f"{target}: missing_value": 10}


def test_numbers_words_times_and_codes_are_told_apart() -> None:
    write(
        {
            "amount": numbers(),
            "code": [f"{i:05d}" for i in DRAW.integers(0, 60, 400)],
            "rank": words(400, "1", "2", "3"),
            "flag": words(400, "True", "False"),
            "at": [f"2024-05-0{d} 1{h}:30" for d, h in DRAW.integers(1, 9, (400, 2))],
            "town": words(400, "Rome", "Oslo", "NA"),
            "many": [f"w{i}" for i in DRAW.integers(0, 150, 400)],
            "y": words(400, "a", "b"),
        }
    )
    cfg = proposal()
    assert column_of(cfg, "amount") == ["Scaled"]
    assert [column_of(cfg, name) for name in ("code", "rank", "flag", "town")] == [["Embedding"]] * 4
    assert column_of(cfg, "many") == ["Hashed"]
    assert cfg["data"]["columns"]["many"]["buckets"] == pytest.approx(
        len(set(pd.read_csv("mine.csv").many)) / 5, abs=10
    )
    assert column_of(cfg, "at") == ["Calendar", "Calendar", "Cyclical"]
    text = EXPERIMENT.read_text()
    assert "leading zeros" in text
    assert "whole and few" in text
    assert '"NA"' in text
    prepared()


def test_words_that_mean_missing_in_a_number_field_are_declared_with_their_count() -> None:
    write({"age": [*numbers(395), "NA", "NA", "?", None, "n/a"], "z": numbers(), "y": numbers()})
    cfg = proposal()
    assert sorted(cfg["data"]["fields"]["age"]["na_values"]) == ["?", "NA", "n/a"]
    assert '"NA" 2' in EXPERIMENT.read_text()
    assert prepared().counts["missing"] == {"age": 5}


def test_a_few_strange_cells_in_a_number_field_are_declared_as_invalid() -> None:
    write({"age": [*numbers(398), "old", "young"], "y": numbers()})
    assert proposal()["data"]["fields"] == {"age": {"invalid": "missing"}}
    assert prepared().counts["changed"]["age: not_a_number read as missing"] == 2


def test_fields_that_tell_nothing_about_a_new_row_are_left_out_with_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    y = words(400, "a", "b")
    write(
        {
            "": range(400),
            "id": [f"c{i}" for i in range(400)],
            "const": ["k"] * 400,
            "empty": [None] * 400,
            "prose": [" ".join(words(20, "lorem", "ipsum", "dolor")) for _ in range(400)],
            "euro": [f"€{i},{j}" for i, j in DRAW.integers(100, 999, (400, 2))],
            "day": [f"{d}/{m}/2024" for d, m in DRAW.integers(1, 12, (400, 2))],
            "copy": [{"a": "1", "b": "2"}[label] for label in y],
            "x": numbers(),
            "y": y,
        }
    )
    cfg = proposal()
    assert list(cfg["data"]["columns"]) == ["prose", "x"]
    assert cfg["data"]["key"] == ["id"]
    assert cfg["data"]["split"]["fields"] == ["id"]
    out = capsys.readouterr().out
    for reason in (
        "pandas writes",
        "by heart",
        "same value",
        "no cell",
        "another spelling",
        "another form",
    ):
        assert reason in out, reason
    assert 'WARNING: copy_of_target: "copy"' in out
    prepared()


def test_a_sentinel_is_offered_as_a_commented_line_and_never_declared_in_silence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ages = [str(x) for x in DRAW.integers(18, 90, 380)]
    write({"age": [*ages, *["999"] * 20], "x": [*numbers(398), "NA", "NA"], "y": words(400, "a", "b")})
    cfg = proposal()
    assert cfg["data"]["fields"] == {"x": {"na_values": ["NA"]}}
    assert 'WARNING: sentinel: "age"' in capsys.readouterr().out
    text = EXPERIMENT.read_text()
    assert '# LOOK: "age": one value far from all others, 18 … 89; 20 of 400 cells; e.g. "999"' in text
    EXPERIMENT.write_text(text.replace('    # age: {na_values: ["999"]}', '    age: {na_values: ["999"]}'))
    assert prepared().counts["missing"] == {"age": 20, "x": 2}


def test_a_table_whose_only_policy_is_an_offer_takes_policies_from_the_command_line() -> None:
    write({"age": [*map(str, DRAW.integers(18, 90, 380)), *["-1000"] * 20], "y": words(400, "a", "b")})
    assert proposal()["data"]["fields"] == {}
    cfg = composed(["experiment=mine", "++data.fields.age.min=0", "++data.fields.age.invalid=missing"], Path("configs"))
    assert instantiate(cfg.data, _convert_="all").prepare().counts["missing"] == {"age": 20}
    assert prepared().counts["missing"] == {}


def test_a_sentinel_of_the_target_is_offered_with_its_rows_dropped() -> None:
    write({"x": numbers(), "y": [*numbers(380), *["-9999"] * 20]})
    proposal()
    text = EXPERIMENT.read_text()
    offer, instead = '  # fields: {y: {na_values: ["-9999"], missing: drop}}\n', "  fields: {} #"
    assert f"{offer}{instead}" in text
    EXPERIMENT.write_text(text.replace(f"{offer}{instead}", f"{offer.replace('# ', '')}#"))
    assert prepared().counts["dropped"] == {"y: missing_value": 20}


def test_near_unique_text_is_left_out_and_offered(capsys: pytest.CaptureFixture[str]) -> None:
    write({"ticket": [f"t{i}" for i in DRAW.integers(0, 500, 400)], "x": numbers(), "y": words(400, "a", "b")})
    assert list(proposal()["data"]["columns"]) == ["x"]
    assert "left out: near-unique" in capsys.readouterr().out
    offered = next(line for line in EXPERIMENT.read_text().splitlines() if line.startswith("    # ticket: {"))
    EXPERIMENT.write_text(EXPERIMENT.read_text().replace(offered, offered.replace("# ", "", 1)))
    assert set(prepared().transform.named_columns()) == {"ticket", "x"}


def test_what_profile_finds_init_prints_and_writes_beside_the_field(capsys: pytest.CaptureFixture[str]) -> None:
    y = words(400, "no", "yes")
    table = {
        "town": words(400, "Rome", "rome"),
        "score": [f"{(label == 'yes') * 2 + float(x):.4f}" for label, x in zip(y, numbers(), strict=True)],
        "gain": [*numbers(398), "1000", "2000"],
        "x": (x := numbers()),
        "twin": x,
        "y": y,
    }
    write({name: [*values, *values[:3]] for name, values in table.items()})
    proposal()
    out, text = capsys.readouterr().out, EXPERIMENT.read_text()
    for code in ('look_alike: "town"', 'near_target: "score"'):
        assert f"WARNING: {code}" in out
    for code in ('outliers: "gain"', 'copy_of_field: "twin", "x"', "duplicate_rows: "):
        assert f"note: {code}" in out
    lines = text.splitlines()
    for key, clause in [
        ("town", "LOOK: words that differ"),
        ("score", "LOOK: it alone orders"),
        ("twin", 'equal to "x"'),
    ]:
        at = next(number for number, line in enumerate(lines) if line.startswith(f"    {key}: {{"))
        assert clause in " ".join(lines[at - 3 : at]), key
    assert "# equal to an earlier row in all fields; 3 of 403 rows" in text
    prepared()


def test_a_number_that_follows_the_target_in_a_line_is_left_out_and_a_noisy_one_is_not() -> None:
    y = DRAW.normal(size=400)
    write(
        {
            "euros": [f"{2 * v + 1:.6f}" for v in y],
            "noisy": [f"{v + n:.6f}" for v, n in zip(y, DRAW.normal(size=400), strict=False)],
            "y": y,
        }
    )
    assert list(proposal()["data"]["columns"]) == ["noisy"]


@pytest.mark.parametrize(
    ("labels", "head", "target"),
    [
        (numbers(), "Regression", "Number"),
        (words(400, "yes", "no"), "Binary", "Category"),
        (words(400, "0", "1"), "Binary", "Category"),
        (["1", "1.0", "0", "0"] * 100, "Binary", "AtLeast"),
        (words(400, "red", "green", "blue"), "Multiclass", "Category"),
        (words(400, "1", "2", "3", "4"), "Multiclass", "Category"),
        ([str(i) for i in DRAW.integers(0, 90, 400)], "Regression", "Number"),
    ],
)
def test_the_target_decides_the_head(labels: list[str], head: str, target: str) -> None:
    write({"x": numbers(), "y": labels})
    cfg = proposal()
    assert cfg["head"]["_target_"].endswith(f".{head}")
    assert cfg["data"]["target"]["_target_"].endswith(f".{target}")
    data = prepared()
    instantiate(cfg["head"], _convert_="all")(4, data.target).fit(data.tables["train"].y, data.tables["train"].weight)


@pytest.mark.parametrize(
    ("counts", "classes"),
    [({"no": 100, "yes": 300}, ["no", "yes"]), ({"b": 300, "a": 100}, ["b", "a"]), ({"a": 300, "b": 100}, ["a", "b"])],
)
def test_class_one_says_yes_or_else_is_the_rarer_one(counts: dict[str, int], classes: list[str]) -> None:
    labels = [word for word, count in counts.items() for _ in range(count)]
    write({"x": numbers(), "y": labels})
    assert proposal()["data"]["target"]["classes"] == classes
    assert f'class 1, whose probability is predicted, is "{classes[1]}"' in EXPERIMENT.read_text()


def test_semicolons_and_decimal_commas_are_found_and_stated() -> None:
    write({"a": [x.replace(".", ",") for x in numbers()], "y": words(400, "n", "p")}, delimiter=";")
    cfg = proposal()
    assert cfg["data"]["source"]["delimiter"] == ";"
    assert cfg["data"]["source"]["decimal"] == ","
    assert column_of(cfg, "a") == ["Scaled"]
    prepared()


def test_a_column_with_points_among_decimal_commas_is_left_out_with_what_is_wrong_with_it() -> None:
    amounts = {name: [x.replace(".", ",") for x in numbers()] for name in ("a", "b")}
    write({**amounts, "age": [f"{i % 50}.0" for i in range(400)], "y": words(400, "n", "p")}, delimiter=";")
    assert column_of(proposal(), "age") == []
    assert "a decimal point, where the file has" in EXPERIMENT.read_text()
    assert "400 of 400 cells" in EXPERIMENT.read_text()


def test_a_file_that_pandas_wrote_as_csv_or_as_parquet_needs_no_care() -> None:
    frame = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=400, freq="7h"), "ok": [True, False] * 200})
    frame["x"], frame["y"] = DRAW.normal(size=400), ["late", "early"] * 200
    frame.loc[5, "x"] = np.nan
    frame.drop(columns="ok").to_csv("mine.csv")
    assert column_of(proposal(), "") == []
    assert prepared().counts["used"] == 400
    pq.write_table(pa.Table.from_pandas(frame), "two.parquet")
    EXPERIMENT.unlink()
    cfg = proposal("--name", "mine", table="two.parquet")
    assert column_of(cfg, "when") == ["Calendar", "Calendar", "Cyclical"]
    assert prepared().counts["used"] == 400


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": numbers(400), "y": ["k"] * 400}, "two classes"),
        ({"x": numbers(400), "yy": words(400, "a", "b")}, "did you mean yy"),
        ({"x": numbers(400), "y": [f"text {i}" for i in range(400)]}, "400 distinct texts"),
        ({"x": numbers(400), "y": [None] * 400}, "no row has a label"),
        ({"x": ["k"] * 400, "y": numbers()}, "no field is left|nothing tells rows apart"),
        ({"x": numbers(12), "y": numbers(12)}, "at least 30 rows"),
        ({"x": [], "y": []}, "0 rows"),
    ],
)
def test_what_cannot_be_learned_is_an_error_and_nothing_is_written(columns: dict[str, Any], message: str) -> None:
    write(columns)
    with pytest.raises(DataError, match=message):
        main(["mine.csv", "--target", "y"])
    assert not Path("configs").exists()


def test_infinite_labels_are_none() -> None:
    frame = pd.DataFrame({"id": range(400), "x": DRAW.normal(size=400), "y": [np.inf] * 400})
    frame.to_parquet("two.parquet")
    with pytest.raises(DataError, match="no row has a label"):
        main(["two.parquet", "--target", "y"])


@pytest.mark.parametrize("rows", [400, 4000])
@pytest.mark.filterwarnings("error")
def test_numbers_at_the_end_of_float64_are_left_out_with_the_reason_of_training(rows: int) -> None:
    x = DRAW.uniform(-1, 1, rows) * 1.7e308
    frame = pd.DataFrame({"id": range(rows), "z": DRAW.normal(size=rows), "x": x, "y": ["a", "b"] * (rows // 2)})
    frame["large"] = frame.z * 1e100
    frame["few"] = ([1.0, 2.0, 3.0, 1.797e308] * rows)[:rows]
    frame.to_parquet("mine.parquet")
    assert list(proposal(table="mine.parquet")["data"]["columns"]) == ["z", "large"]
    text = EXPERIMENT.read_text()
    assert '# "x" is left out: x ' in text
    assert "finite" in text
    prepared()


def test_an_existing_file_is_never_written_over() -> None:
    write({"x": numbers(), "y": numbers()})
    proposal()
    path = EXPERIMENT
    path.write_text("mine")
    with pytest.raises(ConfigError, match=r"configs/experiment/mine\.yaml is there already"):
        main(["mine.csv", "--target", "y"])
    assert path.read_text() == "mine"
    with pytest.raises(ConfigError, match="experiment of ours"):
        main(["mine.csv", "--target", "y", "--name", "quickstart"])


def test_a_mistyped_option_names_the_near_one_and_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line(["init", "mine.csv", "--traget", "y"]) == 2
    assert "did you mean --target?" in capsys.readouterr().err
    assert command_line(["init", "absent.csv", "--target", "y"]) == 2
    assert "absent.csv is missing" in capsys.readouterr().err
    assert command_line(["init", "absent", "--target", "y"]) == 2
    told = capsys.readouterr().err
    assert "no_file: absent is missing" in told
    assert "or a folder of Parquet files" in told


def test_text_in_another_encoding_is_named_and_read_when_told() -> None:
    write({"größe": numbers(), "y": words(400, "süß", "sauer")})
    Path("mine.csv").write_bytes(Path("mine.csv").read_text(encoding="utf8").encode("cp1252"))
    with pytest.raises(DataError, match=r"not utf-8.*policy: --encoding"):
        main(["mine.csv", "--target", "y"])
    assert proposal("--encoding", "cp1252")["data"]["source"]["encoding"] == "cp1252"
    assert set(prepared().target.classes) == {"süß", "sauer"}


def test_a_parquet_field_that_is_no_utf8_is_left_out_with_the_reason_and_refused_as_target(
    capsys: pytest.CaptureFixture[str],
) -> None:
    raw = pa.array([b"caf\xe9" if i == 7 else b"bar" for i in range(400)], pa.binary())
    place = pa.Array.from_buffers(pa.string(), 400, raw.buffers())
    draw = np.random.default_rng(1)
    others = {"x": [f"{x:.4f}" for x in draw.normal(size=400)], "y": draw.choice(["a", "b"], 400)}
    pq.write_table(pa.table({"place": place, **others}), "mine.parquet")
    assert command_line(["init", "mine.parquet", "--target", "y"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["place"])
    assert "left out: text must be UTF-8, however: 1 of 400 cells are not, the first in row 7" in line
    Path(EXPERIMENT).unlink()
    assert command_line(["init", "mine.parquet", "--target", "place"]) == 2
    error = capsys.readouterr().err
    assert 'unreadable_target: column "place": text must be UTF-8' in error
    assert not Path(EXPERIMENT).exists()
    assert command_line(["profile", "mine.parquet", "--target", "y"]) == 0
    assert "unreadable" in capsys.readouterr().out


def test_a_byte_order_mark_names_the_encoding() -> None:
    write({"x": numbers(), "y": words(400, "a", "b")})
    Path("mine.csv").write_bytes(Path("mine.csv").read_text(encoding="utf8").encode("utf-16"))
    assert proposal()["data"]["source"]["encoding"] == "utf-16"
    assert prepared().counts["used"] == 400


def test_what_is_done_with_cells_that_cannot_be_read_is_printed_as_it_is_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write({"age": [*numbers(398), "old", "young"], "x": numbers(), "y": [*numbers(399), "much"]})
    assert proposal()["data"]["fields"] == {"age": {"invalid": "missing"}, "y": {"invalid": "drop", "missing": "drop"}}
    out = capsys.readouterr().out
    assert "written: data.fields.age.invalid: missing, they count as missing" in out
    assert "written: data.fields.y.invalid: drop, their rows are dropped" in out
    assert "refuses" not in out


def test_how_a_csv_is_read_can_be_said_and_a_file_that_needs_it_names_the_option() -> None:
    write({"a": numbers(), "y": words(400, "n", "p")}, delimiter="^")
    with pytest.raises(DataError, match=r"not in the table; known: a\^y; policy: --delimiter"):
        main(["mine.csv", "--target", "y"])
    assert proposal("--delimiter", "^")["data"]["source"]["delimiter"] == "^"
    with pytest.raises(ConfigError, match=r"--decimal must be '\.' or ','"):
        main(["mine.csv", "--target", "y", "--decimal", ";", "--name", "other"])


def test_the_experiment_of_a_parquet_file_or_a_csv_takes_the_rows_from_disk_unedited() -> None:
    x = DRAW.normal(size=300)
    write({"id": range(300), "x": x, "z": numbers(300), "y": np.where(x > 0, "yes", "no")})
    pd.read_csv("mine.csv").to_parquet("two.parquet")
    for table, name, reading in (("mine.csv", "mine", "csv"), ("two.parquet", "two", "parquet")):
        main([table, "--target", "y"])
        metrics = []
        for more in ([], [f"data={reading}"]):
            train = ["-m", "mlp_torch", "train", "--config-dir", "configs", f"experiment={name}", *more]
            command = [sys.executable, *train, "trainer.max_epochs=1"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert ("encoded rows written to runs/.shards" in done.stdout + done.stderr) == bool(more)
            metrics.append(json.loads(Path(f"runs/{name}/latest/metrics.json").read_text())["test/auroc"])
        assert metrics[0] == metrics[1]


def test_the_experiment_trains_unedited_outside_a_clone() -> None:
    x = DRAW.normal(size=300)
    write({**{name: numbers(300) for name in ("class", "${x}", "a.b")}, "x": x, "y": np.where(x > 0, "yes", "no")})
    proposal()
    train = ["-m", "mlp_torch", "train", "--config-dir", "configs", "experiment=mine", "trainer.max_epochs=1"]
    done = subprocess.run([sys.executable, *train], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path("runs/mine/latest/model/manifest.json").is_file()
    stored = joined(OmegaConf.to_container(OmegaConf.load("runs/mine/latest/config.yaml"), resolve=True))
    assert stored["data"]["columns"]["x_2"]["field"] == "x"
    assert stored["data"]["columns"]["x"]["field"] == "${x}"


@pytest.mark.parametrize("end", ["\n", "\x85", "\u2028"])
def test_a_folder_whose_name_ends_a_line_stays_in_its_comment(end: str) -> None:
    write({"x": numbers(), "y": words(400, "a", "b")})
    folder = Path(f"con{end}name: stolen #")
    assert main(["mine.csv", "--target", "y", "--config-dir", str(folder)]) == 0
    text = (folder / "experiment" / "mine.yaml").read_text("utf8")
    assert OmegaConf.create(text).name == "mine"
    assert len([line for line in text.splitlines() if "stolen" in line and not line.startswith("#")]) == 0
