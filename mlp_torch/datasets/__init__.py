"""Real data sets: where they lie, joined and renamed; no features are derived here.

- `flights`: departures from New York in 2013 with the weather at the origin (Flights).
- `distances`: of the pairs of airports that these flights connect (Distances).
- `california`: house prices by block group (California).
- `movies`: films with people, countries, genres and critics' figures (Movies).
- `reviews`: reviews of clothing with rating and recommendation (Reviews).
- `movielens`: ratings of films by people (MovieLens).
- `fashion_mnist`: pictures of clothing in ten classes (FashionMnist).
- `kdd04`: protein homology, 0.89 % of rows positive (Kdd04).
- `people`: who has work, by year (People).
- `efficientnet`: weights of a network trained on ImageNet.

How their files come here:

- `packages`: what holds them, downloaded and unpacked.
- `origin`: where they come from, where they lie, and whether they are the known ones.
- `fetch`: what is missing is brought: `mlp_torch data`.
"""
