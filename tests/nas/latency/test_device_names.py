"""Which device some words mean, of those that were measured on."""

from __future__ import annotations

import pytest

from nas.latency.device_names import Device, meant

OLD, EAGER, GRAPH = "NVIDIA H200", "NVIDIA H200, eager", "NVIDIA H200, CUDA graph"
ONE, SIX, SIXTEEN = (f"Intel(R) Xeon(R) Platinum 8488C, {words}" for words in ("1 thread", "6 threads", "16 threads"))
OTHER = "aarch64 board, 1 thread"


@pytest.mark.parametrize(
    ("names", "words", "found"),
    [
        ([OLD, EAGER, GRAPH], "nvidia h200", OLD),
        ([OLD, EAGER, GRAPH], EAGER, EAGER),
        ([EAGER, GRAPH, ONE], "graph", GRAPH),
        ([EAGER, GRAPH, ONE], "h200, cuda", GRAPH),
        ([SIX, SIXTEEN], "6 threads", SIX),
        ([ONE, SIXTEEN], "6 threads", None),
        ([SIX, SIXTEEN], "Xeon(R) Platinum", None),
        ([ONE, OTHER], "xeon", ONE),
        ([ONE], "", ONE),
        ([ONE, OTHER], "", None),
        ([ONE, OTHER], "1 thread", None),
        ([OLD, EAGER], "", None),
        ([EAGER, GRAPH, ONE], "", None),
    ],
)
def test_the_name_itself_or_the_only_one_with_these_whole_words(
    names: list[str], words: str, found: str | None
) -> None:
    assert meant(names, words) == (None if found is None else Device(found))


def test_of_several_names_of_one_machine_the_usual_one_is_meant_and_the_others_are_said() -> None:
    assert meant([OLD, EAGER, GRAPH], "") == Device(GRAPH, (OLD, EAGER))
    assert meant([ONE, EAGER, GRAPH], "h200") == Device(GRAPH, (EAGER,))
    found = meant([SIX, ONE, SIXTEEN], "")
    assert found
    assert (found.name, found.words) == (ONE, f"{ONE}, by default; --by latency@DEVICE for {SIX} or {SIXTEEN}")
    assert Device(ONE).words == ""
