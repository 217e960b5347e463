"""Names and texts of any kind must come out of the written YAML, OmegaConf and Hydra as they went in."""

import pytest
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationKeyError

from mlp_torch.proposal.yaml import flow, keys
from mlp_torch.verbs.init import experiment_name

NAMES = ["a b", "a.b", "größe", "1st", "no", "null", "class", "type", "${x}", "年齢", "On", "None", "items", "training"]


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_comes_out_of_yaml_and_hydra_as_it_went_in(text: str) -> None:
    loaded = OmegaConf.create(f"node: {{{flow({'field': text})[1:-1]}, list: [{flow(text)}]}}")
    assert instantiate(loaded, _convert_="all") == {"node": {"field": text, "list": [text]}}
    if not set("\x85\u2028\u2029") & set(text):  # PyYAML's writer, by which runs are stored, takes these for line ends
        again = OmegaConf.create(OmegaConf.to_yaml(loaded, resolve=True))  # as a resumed run reads it
        assert instantiate(again, _convert_="all") == {"node": {"field": text, "list": [text]}}


def test_a_plain_quoted_interpolation_would_not_come_out_as_it_went_in() -> None:
    with pytest.raises(InterpolationKeyError):
        instantiate(OmegaConf.create('{field: "\\\\${x}"}'), _convert_="all")


@settings(deadline=None, max_examples=200)
@given(st.lists(st.one_of(st.text(max_size=8), st.sampled_from(NAMES)), unique=True))
def test_keys_are_distinct_words_that_yaml_takes_for_text(names: list[str]) -> None:
    found = keys(names)
    assert len(set(found)) == len(names)
    loaded = OmegaConf.create("{" + ", ".join(f"{key}: 1" for key in found) + "}")
    assert list(loaded) == found
    assert all(key.isascii() and key.isidentifier() for key in found)


def test_an_experiment_is_named_after_the_file_by_a_word_that_hydra_takes_for_one() -> None:
    found = [experiment_name(None, f"data/{name}.csv") for name in ("my sales.2024", "2024", "null", "日本")]
    assert found == ["my_sales_2024", "table_2024", "table_null", "table"]
