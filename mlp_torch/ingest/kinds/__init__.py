"""What may be made of a raw field: one file a kind, from Arrow cells and in `model.pt` alike.

- `number`: float64
- `time`: seconds of wall clock
- `string`: the fingerprint of a category
- `tokens`: the fingerprints of a text's words
- `statistics`: figures about a text
- `sets`: the fingerprints of a cell's members
- `maps`: the fingerprints of names, and their numbers
- `vector`: a vector that another model made
- `image`: pixels, of a file, of bytes or of base64
- `kind`: the interface of all of them
- `reader`: the same interface inside the graph
- `rows`: cells that hold several words, as rows of equal length
- `read`: a column as any of them
"""
