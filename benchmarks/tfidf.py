"""What a linear model of TF-IDF reaches on the rows of experiment=reviews: words and pairs of text and title.

    python benchmarks/tfidf.py      # a minute; needs `mlp_torch data reviews`

scikit-learn's logistic regression on the same training rows; validation chooses C, test rows are read once.
"""

import numpy as np
from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from mlp_torch.configuration import built, composed
from mlp_torch.ingest.inputs import to_inputs, words_of
from mlp_torch.ingest.schema import Schema
from mlp_torch.reproducibility.split import TEST, TRAIN, VAL


def main() -> None:
    """Prints AUROC by C."""
    cfg = composed(["experiment=reviews"])
    table, split = built(cfg.data.source).read(), built(cfg.data.split)
    reads = list(split.reads.values())
    checked = Schema.of(reads, {}).check(table, training=True)
    index = split.assign(to_inputs(checked, reads), words_of(checked)).numpy()
    rows = table.table.to_pandas().iloc[checked.keep]
    y = rows["recommended"].to_numpy().astype(int)
    parts = []
    for field in ("review", "title"):
        texts = rows[field].fillna("").to_numpy()
        found = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        parts.append(found.fit(texts[index == TRAIN]).transform(texts))
    x = hstack(parts).tocsr()
    results = []
    for c in (1.0, 3.0, 10.0):
        model = LogisticRegression(C=c, max_iter=300).fit(x[index == TRAIN], y[index == TRAIN])
        scores = model.decision_function(x)
        results.append([roc_auc_score(y[index == part], scores[index == part]) for part in (VAL, TEST)])
    val, test = max(results)
    print(f"{np.sum(index == TRAIN):,} training rows: validation AUROC {val:.4f}, test AUROC {test:.4f}")


if __name__ == "__main__":
    main()
