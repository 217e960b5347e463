"""FT-Transformer, against the authors' own package."""

import math

import pytest
import rtdl_revisiting_models as authors
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from mlp_torch.backbone.ft_transformer import FTTransformer

WIDTHS = {"age": 1, "city": 4, "hour": 1, "job": 7}
D = 24


def twins(blocks: int, *, dropout: float = 0.0) -> tuple[FTTransformer, authors.FTTransformer]:
    """Ours and the authors' with the same weights: a number is a vector of one, a category one-hot."""
    torch.manual_seed(0)
    ours = FTTransformer(WIDTHS, blocks=blocks, d_token=D, heads=4, attention_dropout=dropout, dropout=dropout)
    theirs = authors.FTTransformer(
        n_cont_features=2,
        cat_cardinalities=[4, 7],
        d_out=1,
        n_blocks=blocks,
        d_block=D,
        attention_n_heads=4,
        attention_dropout=dropout,
        ffn_d_hidden_multiplier=4 / 3,
        ffn_dropout=dropout,
        residual_dropout=0.0,
    )
    theirs.backbone.output.linear = nn.Identity()  # that is the head's here
    with torch.no_grad():
        age, city, hour, job = ours.tokens.layers
        theirs.cls_embedding.weight.copy_(ours.tokens.cls)
        theirs.cont_embeddings.weight.copy_(torch.stack([age.weight[:, 0], hour.weight[:, 0]]))
        theirs.cont_embeddings.bias.copy_(torch.stack([age.bias, hour.bias]))
        theirs.cat_embeddings.bias.copy_(torch.stack([city.bias, job.bias]))
        for embedding, layer in zip(theirs.cat_embeddings.embeddings, (city, job), strict=True):
            embedding.weight.copy_(layer.weight.T)
    for block, other in zip(ours.blocks, theirs.backbone.blocks, strict=True):
        copy_block(block, other)
    theirs.backbone.output.normalization.load_state_dict(ours.exit[0].state_dict())
    return ours, theirs


def copy_block(block: nn.Module, other: nn.ModuleDict) -> None:
    for name, another in (("query", "W_q"), ("value", "W_v"), ("out", "W_out")):
        layer = getattr(block.attention, name)
        nn.init.normal_(layer.bias)  # zeros, with which nothing would be compared
        getattr(other["attention"], another).load_state_dict(layer.state_dict())
    other["attention"].W_k.weight.data.copy_(block.attention.key.weight)
    nn.init.normal_(other["attention"].W_k.bias)  # ours has none: it must make no difference
    other["ffn"].linear1.load_state_dict(block.up.state_dict())
    other["ffn"].linear2.load_state_dict(block.down.state_dict())
    for layer, name in ((block.before, "attention_normalization"), (block.between, "ffn_normalization")):
        if name in other:
            nn.init.normal_(layer.weight)
            other[name].load_state_dict(layer.state_dict())


def rows(n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Vectors as we take them, numbers and codes as the authors do, of the same rows."""
    random = torch.Generator().manual_seed(3)
    numbers = torch.randn(n, 2, generator=random)
    codes = torch.stack([torch.randint(0, size, (n,), generator=random) for size in (4, 7)], dim=1)
    city, job = one_hot(codes[:, 0], 4), one_hot(codes[:, 1], 7)
    return torch.cat([numbers[:, :1], city, numbers[:, 1:], job], dim=1), numbers, codes


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_it_gives_and_learns_what_the_authors_package_does(blocks: int) -> None:
    ours, theirs = twins(blocks)
    vectors, numbers, codes = rows(32)
    mine, other = ours(vectors), theirs(numbers, codes)
    assert torch.allclose(mine, other, rtol=1e-5, atol=1e-5)
    for out in (mine, other):
        (out * torch.arange(D)).sum().backward()
    pairs = [(ours.tokens.cls, theirs.cls_embedding.weight)]
    for block, another in zip(ours.blocks, theirs.backbone.blocks, strict=True):
        pairs += [
            (block.attention.key.weight, another["attention"].W_k.weight),
            (block.up.weight, another["ffn"].linear1.weight),
        ]
    for parameter, same in pairs:
        assert torch.allclose(parameter.grad, same.grad, rtol=1e-3, atol=1e-4)
        assert float(parameter.grad.abs().max()) > 1e-2


def test_other_weights_give_something_else() -> None:
    ours, theirs = twins(2)
    vectors, numbers, codes = rows(8)
    ours.blocks[0].attention.key.weight.data *= 2
    assert not torch.allclose(ours(vectors), theirs(numbers, codes), atol=1e-3)


def test_its_defaults_are_those_of_the_authors_for_three_blocks() -> None:
    ours, wanted = FTTransformer(WIDTHS), authors.FTTransformer.get_default_kwargs()
    block = ours.blocks[0]
    assert len(ours.blocks) == wanted["n_blocks"] == 3
    assert ours.d_out == wanted["d_block"]
    assert block.attention.heads == wanted["attention_n_heads"]
    assert block.attention.dropout.p == wanted["attention_dropout"]
    assert block.dropout.p == wanted["ffn_dropout"]
    assert block.down.in_features == int(wanted["ffn_d_hidden_multiplier"] * wanted["d_block"])


def test_a_number_a_one_hot_vector_and_an_embedding_of_length_one_give_tokens_of_the_same_size() -> None:
    torch.manual_seed(0)
    ours = FTTransformer({"number": 1, "city": 50, "embedding": 50}, d_token=512)
    vectors = torch.zeros(1, 101)
    vectors[0, 0] = vectors[0, 7] = 1
    vectors[0, 51:] = 50**-0.5
    for layer in ours.tokens.layers:
        layer.bias.data.zero_()
    sizes = ours.tokens(vectors)[0].norm(dim=1)  # [CLS] and three more
    assert torch.allclose(sizes, torch.full((4,), math.sqrt(1 / 3)), rtol=0.15)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"blocks": 0}, "blocks must be at least 1, however: blocks=0"),
        ({"heads": 0}, "heads must be at least 1, however: heads=0"),
        ({"d_token": 20}, "d_token must be a multiple of heads, however: d_token=20, heads=8"),
        ({"d_hidden": 0}, "d_hidden must be at least 1, however: d_hidden=0"),
        ({"attention_dropout": 1.0}, "attention_dropout must be at least 0 and less than 1, however: "),
        ({"dropout": -0.1}, "dropout must be at least 0 and less than 1, however: dropout=-0.1"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        FTTransformer(WIDTHS, **options)  # type: ignore[arg-type]
