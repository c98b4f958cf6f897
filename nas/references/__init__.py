"""Reference networks: networks of elsewhere, or ours by name, trained as a study's own and shown beside its front."""
