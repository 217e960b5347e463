"""`mlp_torch neighbours`: what is near, by cosine, and what is said where nothing is found."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mlp_torch.errors import ConfigError, ModelError
from mlp_torch.training.learned import Learned, write
from mlp_torch.verbs.neighbours import main, nearest

WORDS = ["(unknown)", "BOS", "JFK", "LGA", "SFO", "\x1b[31m"]
VECTORS = torch.tensor([[9.0, 9.0], [1.0, 0.0], [0.0, 2.0], [3.0, 4.0], [-5.0, 0.0], [0.0, 0.0]])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write(tmp_path / "embeddings", {"dest": Learned(WORDS, VECTORS), "members.0/origin": Learned(WORDS, VECTORS)})
    return tmp_path


def test_neighbours_are_ordered_by_the_cosine_whatever_their_length() -> None:
    words, vectors = WORDS[1:], VECTORS[1:].numpy()
    assert nearest(words, vectors, "BOS", most=9) == [("LGA", 0.6), ("JFK", 0.0), ("\x1b[31m", 0.0), ("SFO", -1.0)]
    assert nearest(words, vectors, "JFK", most=1) == [("LGA", 0.8)]


def test_the_cosine_is_that_of_numpy_on_random_vectors() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 7))
    words = [f"w{i}" for i in range(50)]
    found = dict(nearest(words, vectors, "w3", most=49))
    for i, word in enumerate(words):
        cosine = vectors[i] @ vectors[3] / np.sqrt((vectors[i] @ vectors[i]) * (vectors[3] @ vectors[3]))
        assert word == "w3" or found[word] == pytest.approx(cosine, abs=1e-4)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_columns_are_listed_and_words_told_a_line_each(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run)]) == 0
    assert capsys.readouterr().out == "dest: 5 words\nmembers.0/origin: 5 words\n"
    assert main([str(run), "members.0/origin", "BOS", "JFK", "--most", "2"]) == 0
    assert capsys.readouterr().out == "BOS: LGA 0.60, JFK 0.00\nJFK: LGA 0.80, BOS 0.00\n"
    assert main([str(run), "dest"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 5
    assert "\x1b" not in out  # a terminal would obey it


def test_what_is_not_there_is_named_beside_the_near_ones(run: Path) -> None:
    with pytest.raises(ConfigError, match=r"COLUMN must be an embedding of the run, however: dst; did you mean dest\?"):
        main([str(run), "dst"])
    with pytest.raises(ConfigError, match=r"WORD must be one that training showed, however: BOZ; did you mean BOS\?"):
        main([str(run), "dest", "BOZ"])
    with pytest.raises(ModelError, match="RUN must be the folder of a finished run that has embeddings, however: "):
        main([str(run / "embeddings")])
