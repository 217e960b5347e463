"""Which entry of a function table a model is most wrong about (ch. 4, Useful Overfitting).

>>> said = {"target": [1.0, 9.0], "prediction": [1.5, 9.0], "loss": [1.0, 0.0]}
>>> found = pa.table({"from": ["A", "A"], "to": ["B", "C"], **said})
>>> worst_entry(found, ["from", "to"], "test")
['Worst of 2 entries on test by its loss: from A, to B, target 1, prediction 1.5; predictions/test.parquet has all.']
"""

import pyarrow as pa
import pyarrow.compute as pc

from mlp_torch.errors import printable


def worst_entry(found: pa.Table, keys: list[str], split: str) -> list[str]:
    """The entry with the largest loss, in a sentence.

    Args:
        found: target, predictions and loss of each row of a split, behind its key.
        keys: the columns of the key.
        split: its name.
    """
    at = pc.index(found["loss"], pc.max(found["loss"])).as_py()
    names = [*keys, *(name for name in found.column_names if name not in (*keys, "loss"))]
    said = [f"{name} {shown(found[name][at].as_py())}" for name in names]
    text = f"Worst of {len(found):,} entries on {split} by its loss: {', '.join(said)}"
    return [f"{text}; predictions/{split}.parquet has all."]


def shown(value: object) -> str:
    """A number to seven digits, else the text."""
    return f"{value:.7g}" if isinstance(value, float) else printable(str(value))
