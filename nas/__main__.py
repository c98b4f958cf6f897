"""`python -m nas`."""

from nas.quick import main

main()
