"""What does not fit together is refused before a stage is trained, and before rows are read where that is enough."""

from pathlib import Path

import pytest
import staged

import mlp_torch.stages.training as training
from mlp_torch.verbs.train import main


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("label: late} -> label: lat}", "stages.tardy: rows.label must be a class of gate, however: lat; did you mean"),
        ("model: {gate: gate -> model: {gate: gat", "a stage must be one of stages, however: gat"),
        ("late: tardy}} -> lat: tardy}}", "branches must be by class of gate, however: lat"),
        (
            "  whole: {} ->   whole: {callback: {best: {monitor: val/auroc}}}",
            "stages.whole: callback.best.monitor must be a metric of this run, however: val/auroc",
        ),
        (
            "mlp_torch.ingest.source.Parquet -> mlp_torch.training.table.shards.parquet, folder: .shards",
            "stages need a table in memory, however: data.source encodes it into files",
        ),
        (
            "numbers.Scaled, field: age -> bucketized.Bucketized, field: age, buckets: 4, by: tree",
            "stages need columns that are fitted without the target",
        ),
        ("target.Category, field: late -> target.Category, field: lat", "lat"),
    ],
)
@pytest.mark.parametrize("look", ["debug=false", "debug=true"])
def test_nothing_is_trained_before_all_fits_together(
    tmp_path: Path, capsys, monkeypatch, change: str, message: str, look: str
) -> None:
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("it trains"))
    with pytest.raises(SystemExit):
        main([*staged.experiment(tmp_path, staged.CASCADE, change=change), look])
    assert message in capsys.readouterr().err
    assert list((tmp_path / "runs").glob("tiny/*")) == []  # and no folder is left


def test_a_look_shows_each_stage(tmp_path: Path, capsys) -> None:
    main([*staged.experiment(tmp_path, staged.CASCADE), "debug=true"])
    out = capsys.readouterr().out
    names = [line for line in out.splitlines() if line.startswith("stage ")]
    assert names == ["stage gate", "stage early", "stage tardy", "stage whole"]
