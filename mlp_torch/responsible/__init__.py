"""Responsible AI (ch. 7): what a model must be compared with.

- `baselines`: the constant, the best look-up table, boosted trees (Constant, LookUp, Trees).
- `reference`: another model that was trained on the same rows, as a contender (Reference).
- `columns`: features as single columns, which baselines read (Columns).
- `tables`: look-up tables over columns (Factor, Table).
- `verdict`: one judge for them and any model: the head's loss and metrics (judge, Verdict).
- `importance`: how much worse a model gets where a field's values change places (Permutation).
- `entries`: which entry of a function table a model is most wrong about (worst_entry).
- `report`: the closing report, model beside baselines (Report).
- `spread`: the closing report of repeated runs, mean ± standard deviation (Spread).
"""
