"""The entry point of the command: a plain `nas cost` is answered here, everything else by `nas.cli`.

Scripts ask for costs by the thousand, and importing the command line's library takes longer than counting: typer and,
for its arguments, pydantic are two thirds of such a call. Whatever is not plain goes to `nas.cli`, with its errors.
"""

from __future__ import annotations

import json
import sys

_OPTIONS = {"--image-size": "image_size", "--classes": "classes", "--channels": "channels"}


def main() -> None:
    """Entry point."""
    if not _answered(sys.argv[1:]):
        from nas.cli import main as full

        full()


def _answered(words: list[str]) -> bool:
    """Prints the cost where the words are `cost ARCH` with known options; else does nothing."""
    if words[:1] != ["cost"]:
        return False
    names: list[str] = []
    numbers: dict[str, int] = {}
    rest = iter(words[1:])
    for word in rest:
        if word in _OPTIONS:
            value = next(rest, "")
            if not (value.isascii() and value.isdigit()):
                return False
            numbers[_OPTIONS[word]] = int(value)
        elif not word.startswith("-"):
            names.append(word)
        elif word != "--json":
            return False
    return len(names) == 1 and _cost(names[0], numbers, "--json" in words)


def _cost(name: str, numbers: dict[str, int], as_json: bool) -> bool:
    from nas.networks import load_network
    from nas.words import cost_line, cost_record
    from space import InputError, cost

    try:
        arch, task = load_network(name, **numbers)
        counted = cost(arch, task)
    except InputError:
        return False
    text = json.dumps(cost_record(counted, arch.key, task)) if as_json else cost_line(counted, arch.key, task)
    try:
        print(text, flush=True)
    except BrokenPipeError:  # as in `nas.cli`
        sys.stderr.close()
        sys.exit(1)
    return True
