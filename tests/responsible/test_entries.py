"""A function table's report says which entry is the worst, and that all of it was learned."""

import json
import shlex

import pyarrow as pa
import pyarrow.parquet as pq

from mlp_torch.configuration import composed
from mlp_torch.reproducibility.everywhere import TOLD
from mlp_torch.responsible.entries import worst_entry
from mlp_torch.verbs.train import main

SHORT = "trainer.max_epochs=1 rows_per_epoch=224 trainer.enable_progress_bar=false"


def test_the_entry_of_the_largest_loss_is_named_by_its_key():
    key = {"a": ["x", "y", "z"], "b": [1, 2, 3]}
    found = pa.table({**key, "target": [1.0, 2.0, 3.0], "prediction": [1.0, 2.5, 3.1], "loss": [0.0, 0.25, 0.01]})
    assert worst_entry(found, ["a", "b"], "test") == [
        "Worst of 3 entries on test by its loss: a y, b 2, target 2, prediction 2.5; predictions/test.parquet has all."
    ]


def test_a_run_on_a_whole_table_tells_that_it_was_learned_and_which_entry_is_the_worst(tmp_path, capsys):
    main(["experiment=useful_overfitting", *shlex.split(SHORT), f"runs={tmp_path}"])
    printed = capsys.readouterr().out
    (folder,) = (tmp_path / "useful_overfitting").glob("2*")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert TOLD in printed
    entries = pq.read_table(folder / "predictions" / "test.parquet").to_pylist()
    assert entries == pq.read_table(folder / "predictions" / "val.parquet").to_pylist()
    worst = max(entries, key=lambda row: abs(row["prediction"] - row["target"]))
    assert printed.count("Worst of 224 entries on test by its loss") == 1
    assert f"origin {worst['origin']}, dest {worst['dest']}, target {worst['target']:.7g}" in printed
    assert metrics["test/largest"] == metrics["val/largest"] == abs(worst["prediction"] - worst["target"])


def test_a_whole_table_is_learned_to_the_end_by_all_its_entries():
    cfg = composed(["experiment=useful_overfitting"])
    assert cfg.callback.early_stopping is None
    assert (cfg.callback.best.monitor, cfg.backbone.dropout, cfg.optimizer.weight_decay) == ("val/largest", 0, 0)
