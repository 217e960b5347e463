"""Real data sets: where they lie, joined and renamed; no features are derived here."""
