"""The rows that a user names are read as the training rows were, unless options say otherwise."""

import json

import pytest

from mlp_torch.errors import ConfigError, ModelError
from mlp_torch.verbs.rows import reader, trained

CSV = {"_target_": "mlp_torch.ingest.source.Csv", "path": "train.csv", "delimiter": ";", "decimal": ","}


def test_a_csv_is_read_as_the_training_rows_were_unless_options_say_otherwise(tmp_path):
    as_trained = reader(tmp_path / "rows.csv", CSV)
    assert (as_trained.delimiter, as_trained.decimal, as_trained.encoding) == (";", ",", "utf-8")
    chosen = reader(tmp_path / "rows.csv", CSV, {"decimal": ".", "encoding": "latin1"})
    assert (chosen.delimiter, chosen.decimal, chosen.encoding) == (";", ".", "iso8859-1")
    other = reader(tmp_path / "rows.tsv", CSV)  # training rows were no .tsv
    assert (other.delimiter, other.decimal) == ("\t", ".")
    without = reader(tmp_path / "rows.csv", {})
    assert (without.delimiter, without.decimal) == (",", ".")


@pytest.mark.parametrize(
    ("target", "path", "given", "option"),
    [
        ("ingest.source.Csv", "a.CSV", "b.csv", {"delimiter": ";"}),
        ("ingest.source.Parquet", "a.parquet", "b.pq", {"max_cell_bytes": 9}),
        ("training.table.shards.parquet", "a", "b.parquet", {"max_cell_bytes": 9}),
    ],
)
def test_a_file_is_read_as_training_rows_of_its_kind_however_its_ending_is_written(
    tmp_path, target, path, given, option
):
    known = {"_target_": f"mlp_torch.{target}", "path": path, **option}
    (tmp_path / "config.yaml").write_text(json.dumps({"data": {"source": known}}))
    assert option.items() <= vars(reader(tmp_path / given, trained(tmp_path))).items()


def test_an_option_of_a_csv_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="delimiter must be one ASCII character"):
        reader(tmp_path / "rows.csv", CSV, {"delimiter": "ab"})


def test_a_configuration_that_is_none_is_refused(tmp_path):
    (tmp_path / "config.yaml").write_text("data: [1")
    with pytest.raises(ModelError, match="must be a run's configuration"):
        trained(tmp_path)


def test_without_a_configuration_nothing_is_known(tmp_path):
    assert trained(tmp_path) == {}
