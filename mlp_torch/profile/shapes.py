"""Types of cells that hold several values, and the columns that take them.

>>> SHAPES[column_for(pa.list_(pa.string()))]
'lists'
"""

import pyarrow as pa

from mlp_torch.ingest.cells import is_number, is_text
from mlp_torch.ingest.kinds.image import is_bytes

# what people call the cells that a column takes
SHAPES = {"sets.Set": "lists", "maps.HashedMap": "maps", "vectors.Vector": "vectors", "images.Image": "bytes"}


def column_for(kind: pa.DataType) -> str:
    """The column, below `mlp_torch.representation`, that takes cells which hold several values; "" where none does."""
    if is_bytes(kind) or (
        pa.types.is_struct(kind) and any(part.name == "bytes" and is_bytes(part.type) for part in kind)
    ):
        return "images.Image"
    if pa.types.is_map(kind):
        return "maps.HashedMap" if is_number(kind.item_type) else ""
    if pa.types.is_struct(kind):
        return "maps.HashedMap" if all(is_number(part.type) for part in kind) else ""
    if not isinstance(kind, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
        return ""
    if is_number(kind.value_type):
        return "vectors.Vector"
    return "sets.Set" if is_text(kind.value_type) else ""
