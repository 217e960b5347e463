"""Responsible AI (ch. 7): what a model must be compared with.

- `baselines`: the constant, the best look-up table, boosted trees, and `judge`, which judges them and any model by the
  same loss and metrics (Constant, LookUp, Trees).
- `tables`: look-up tables over columns (Factor, Table).
- `report`: the closing report, model beside baselines (Report).
"""
