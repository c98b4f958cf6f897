"""Data sets: sources, decoding, the cache of decoded images, the splits. No torch."""
