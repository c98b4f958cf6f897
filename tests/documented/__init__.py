"""Every command and python snippet of README, docs, help texts and Makefile, run as printed: `table.py` says which."""
