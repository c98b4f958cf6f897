"""A trained network as a folder: weights, card, formats, each loaded back and verified."""
