"""A small tagger of names, places and dates: model, training, measurement."""
