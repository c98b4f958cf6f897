"""Where a study is kept: the journal in a file or in PostgreSQL, artifacts, reading it, the study's folder."""
