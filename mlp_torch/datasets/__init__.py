"""Real data sets: where they lie, joined and renamed; no features are derived here.

- `flights`: departures from New York in 2013 with the weather at the origin (Flights).
"""
