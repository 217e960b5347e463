"""What embeddings have learned, beside the words that it was learned for: for TensorBoard, and as a file a column.

A file is Parquet, `word` and `vector`: `mlp_torch neighbours` reads it, `Pretrained` begins another run with it.

>>> from mlp_torch.column import Sample
>>> from mlp_torch.representation.embeddings import Embedding
>>> city = Embedding("city", dim=2)
>>> city.fit(Sample({"city:string": torch.tensor([7])}, torch.zeros(1), lambda read: [(7, "Oslo")])); city.resize()
>>> learned(Encoder({"city": city}), {"city": city})["city"].words
['(unknown)', '(missing)', 'Oslo']
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn

from mlp_torch import files
from mlp_torch.column import Column
from mlp_torch.model import Encoder
from mlp_torch.representation.embeddings import MISSING, UNKNOWN


class Learned(NamedTuple):
    """n words and their vectors, (n, d) float32."""

    words: list[str]
    vectors: Tensor


@torch.inference_mode()
def learned(model: nn.Module, columns: Mapping[str, Column]) -> dict[str, Learned]:
    """By column, what those that know their words have learned; of a model of members by "member/column".

    Args:
        model: trained.
        columns: fitted, by name.
    """
    known = {name: words for name, column in columns.items() if (words := column.meanings())}
    found = {}
    for path, module in model.eval().named_modules():
        if not isinstance(module, Encoder):
            continue
        member = path.removesuffix("encoder").rstrip(".")
        for name, layer in module.layers.items():
            weight = next(layer.parameters(), None)  # marks of a set are not learned
            if name in known and weight is not None:
                codes = torch.arange(len(known[name]), device=weight.device)
                vectors = layer(codes.unsqueeze(1)).flatten(1)  # (n, d), as of rows that hold one word each
                found[f"{member}/{name}".lstrip("/")] = Learned(known[name], vectors.float().cpu())
    return found


def write(folder: Path, found: Mapping[str, Learned]) -> None:
    """A file a column, of its words alone."""
    for name, (words, vectors) in found.items():
        rows = [i for i, word in enumerate(words) if word not in (UNKNOWN, MISSING)]
        lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors[rows].flatten().numpy()), vectors.shape[1])
        table = pa.table({"word": pa.array([words[i] for i in rows], pa.large_string()), "vector": lists})
        files.write(folder / f"{quote(name, safe='')}.parquet", partial(pq.write_table, table))
