"""Categories that are left out whole: the row that was trained for unknown ones is better than an untrained one."""

import torch
from torch import Tensor, nn

from mlp_torch.column import Sample
from mlp_torch.representation.embeddings import Embedding

CATEGORIES, HELD = 300, 60
DIM = 4


def rows(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Categories (N,), numbers (N,) that depend on them, and which rows are of the categories that are left out."""
    draw = torch.Generator().manual_seed(seed)
    effect = torch.randn(CATEGORIES, generator=draw) + 2  # on average not 0: a row of zeros is no good guess
    category = torch.randint(CATEGORIES, (20_000,), generator=draw)
    y = effect[category] + 0.5 * torch.randn(len(category), generator=draw)
    return category + 1, y, category < HELD  # fingerprints; 0 would be missing


def trained(seed: int, hide: float) -> tuple[nn.Module, Embedding]:
    """A table of vectors and what reads them, which begins where its vectors mean something from the first step on."""
    category, y, held = rows(seed)
    known = {"x:string": category[~held]}
    column = Embedding("x", dim=DIM, hide=hide)
    column.fit(Sample(known, y[~held], lambda read: []))
    column.resize()
    column.see(column.encode(known))
    torch.manual_seed(seed)
    model = nn.Sequential(column.layer(), nn.Linear(DIM, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    codes, target = column.encode(known), y[~held]
    for _ in range(4):
        for batch in torch.randperm(len(codes)).split(256):
            optimizer.zero_grad()
            (model(codes[batch]).squeeze(1) - target[batch]).square().mean().backward()
            optimizer.step()
    return model.eval(), column


@torch.no_grad()
def error(model: nn.Module, column: Embedding, seed: int) -> float:
    """Mean squared error on the rows of the categories that were left out."""
    category, y, held = rows(seed)
    codes = column.encode({"x:string": category[held]})
    assert bool((codes == column.unknown).all())
    return float((model(codes).squeeze(1) - y[held]).square().mean())


def floor(seed: int) -> float:
    """That of the best guess that knows nothing of the category: the mean over all that training shows."""
    _, y, held = rows(seed)
    return float((y[~held].mean() - y[held]).square().mean())


def test_the_trained_row_is_near_the_best_guess_and_better_than_most_untrained_ones() -> None:
    for seed in range(3):
        model, column = trained(seed, hide=0.05)
        found = error(model, column, seed)
        assert found < 1.15 * floor(seed)
        weight = model[0].table.weight.data
        untrained = []
        for _ in range(20):
            weight[0] = torch.randn(DIM) * DIM**-0.5  # as an embedding begins
            untrained.append(error(model, column, seed))
        assert found < sum(untrained) / 20
        assert sum(found < other for other in untrained) >= 15


def test_without_hiding_the_row_stays_at_0_and_is_a_worse_guess() -> None:
    pairs = [(error(*trained(seed, hide), seed) for hide in (0.05, 0.0)) for seed in range(3)]
    hidden, nothing = (sum(values) / 3 for values in zip(*pairs, strict=True))
    assert hidden < nothing
