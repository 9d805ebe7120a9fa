"""The sequence tagger of names, places and dates: tokens, features, network, decoding, and the weights that ship."""
