"""`python -m nas`."""

from nas.cli import main

if __name__ == "__main__":  # not in a process that starts with what this one imported
    main()
