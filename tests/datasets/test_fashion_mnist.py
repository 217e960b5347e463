"""Fashion-MNIST: pictures are decoded by Pillow and compared with the bytes of the published file."""

import gzip
import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from real import needs

from mlp_torch.datasets.fashion_mnist import ORIGIN, FashionMnist, png
from mlp_torch.errors import ConfigError


@pytest.fixture(scope="module")
def table():
    return FashionMnist().read().table


@pytest.fixture(scope="module")
def pixels():
    """(70000, 28, 28), the training pictures first."""
    files = [gzip.decompress(path.read_bytes()) for path in ORIGIN.paths()]
    assert [int.from_bytes(file[:4]) for file in files] == [2051, 2049, 2051, 2049]  # the format's magic numbers
    return np.concatenate([np.frombuffer(file[16:], np.uint8).reshape(-1, 28, 28) for file in files[::2]])


def decoded(image: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(image)) as opened:
        assert (opened.format, opened.mode) == ("PNG", "L")
        return np.asarray(opened)


@needs(ORIGIN)
def test_a_picture_is_the_published_one(table, pixels):
    found = np.stack([decoded(image) for image in table["image"].to_pylist()[::7]])
    assert np.array_equal(found, pixels[::7])


@needs(ORIGIN)
def test_the_published_mean_and_deviation_of_training_pixels(pixels):
    assert round(pixels[:60_000].mean() / 255, 4) == 0.2860
    assert round(pixels[:60_000].std() / 255, 4) == 0.3530


@needs(ORIGIN)
def test_parts_labels_and_numbers(table):
    parts, labels = table["part"].to_pylist(), table["label"].to_pylist()
    assert parts == ["train"] * 60_000 + ["test"] * 10_000
    assert set(Counter(labels[:60_000]).values()) == {6_000}
    assert set(Counter(labels[60_000:]).values()) == {1_000}
    assert table["row"].to_pylist() == [*range(60_000), *range(10_000)]
    # as the published introduction shows the first ones
    assert labels[:4] == ["Ankle boot", "T-shirt/top", "T-shirt/top", "Dress"]
    assert labels[60_000:60_005] == ["Ankle boot", "Pullover", "Trouser", "Trouser", "Shirt"]


@needs(ORIGIN)
def test_the_first_training_pictures_come_with_all_test_pictures(table):
    some = FashionMnist(first=1000).read().table
    assert some.equals(table.take([*range(1000), *range(60_000, 70_000)]).combine_chunks())


@needs(ORIGIN)
def test_the_first_test_pictures_for_a_quick_look(table):
    some = FashionMnist(first=2, test=3).read().table
    assert some.equals(table.take([0, 1, 60_000, 60_001, 60_002]).combine_chunks())


@pytest.mark.parametrize("test", [0, 10_001])
def test_more_test_pictures_than_there_are_are_refused(test):
    with pytest.raises(ConfigError, match=f"from 1 to 10,000 test pictures, however: test={test}"):
        FashionMnist(test=test)


@pytest.mark.parametrize("first", [0, -1, 60_001])
def test_more_pictures_than_there_are_are_refused(first):
    with pytest.raises(ConfigError, match=f"from 1 to 60,000 training pictures, however: first={first}"):
        FashionMnist(first=first)


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (3, 5), (300, 7)])
def test_a_picture_of_any_size_is_what_pillow_reads(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(decoded(png(image)), image)
