"""Training a network to its end, on one device or several, into an export."""
