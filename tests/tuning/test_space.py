"""The search space in Hydra's grammar: what is a set of values, and what is refused by name."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from mlp_torch.errors import ConfigError
from mlp_torch.tuning.space import Choice, Range, distributions, space


def test_each_form_of_the_grammar_becomes_optunas_distribution():
    given = {
        "lr": "tag(log,interval(1e-4,1e-2))",
        "dropout": "interval(0,0.5)",
        "dim": "int(interval(4,64))",
        "width": "tag(log,int(interval(8,256)))",
        "blocks": "range(1,8,2)",
        "share": "range(0.1,0.5,0.2)",
        "hidden": "choice([8],[8,8])",
        "backbone": "mlp,resnet",
    }
    assert distributions(space(given, [])) == {
        "lr": FloatDistribution(1e-4, 1e-2, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
        "dim": IntDistribution(4, 64),
        "width": IntDistribution(8, 256, log=True),
        "blocks": IntDistribution(1, 7, step=2),  # as Python's range: without its end
        "share": FloatDistribution(0.1, 0.3, step=0.2),
        "hidden": CategoricalDistribution(["[8]", "[8,8]"]),
        "backbone": CategoricalDistribution(["mlp", "resnet"]),
    }


def test_the_command_line_wins_over_the_yaml_and_one_value_takes_a_parameter_out():
    given = {"a": "interval(0,1)", "b": "interval(0,1)", "c": None}
    assert space(given, ["b=1,2", "d=range(0,3)"]) == {
        "a": Range(0.0, 1.0, None, log=False),
        "b": Choice(("1", "2")),
        "d": Range(0, 2, 1, log=False),
    }
    assert list(space(given, ["a=0.5", "++b=2"])) == []


def test_numbers_are_written_with_all_of_their_digits():
    assert Range(0.0, 1.0, None, log=False).text(0.1 + 0.2) == "0.30000000000000004"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("interval(2,1)", r"lr must have values between its ends, however: lr=interval\(2,1\) is empty"),
        ("interval(1,1)", "is empty"),
        ("range(3,3)", "is empty"),
        ("choice()", r"lr must be a set of values, however: lr=choice\(\); write choice\(a,b\)"),
        ("interval(1)", "lr must be a set of values"),
        ("0.1", "hparams_search.params.lr must be a set of values, however: 0.1; write choice"),
        ("1,1", "lr must have different values, however: 1 twice"),
        ("tag(log,interval(0,1))", "lr must be greater than 0 to have a logarithm, however: lr=tag"),
        ("tag(log,range(1,9,2))", "lr must have a step of 1, or none"),
        ("tag(lgo,interval(1,2))", "lr may have the tag log, however: lgo"),
        ("glob(*)", "lr must be a set of values, however: glob"),
    ],
)
def test_what_is_no_set_of_values_is_refused_by_its_key(text, message):
    with pytest.raises(ConfigError, match=message):
        space({"lr": text}, [])


@pytest.mark.parametrize("key", ["data.split.val", "data.target", "callback.best.monitor", "name", "runs", "folds"])
def test_what_trials_are_compared_by_is_no_parameter(key):
    with pytest.raises(ConfigError, match=f"however: {key} would differ between trials"):
        space({key: "a,b"}, [])
    assert list(space({"data.splits": "a,b"}, [])) == ["data.splits"]
