"""Measurements: each module is a command.

Python keeps the bytecode of what it compiles, as for a user, also where the environment forbids that: else every
process that a benchmark starts would compile torch and Streamlit anew.
"""

import os
import sys

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
