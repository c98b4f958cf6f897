"""Steered choosers: aimed at a place in the band, and near a parent."""

from __future__ import annotations

import math
import random
from statistics import median

from nas.samplers.candidates import REDRAWN, STEP, Aimed, Mutation
from nas.samplers.parameters import RecordingChooser
from space import Band, Budget, Space, Task
from space.chooser import RandomChooser

TASK, BAND = Task(32, 3, 10), Band(2_000_000, 20_000_000)
SPACE = Space.load("convnext_or_modulation_32")


def compose(chooser: Aimed | Mutation) -> tuple[RecordingChooser, float]:
    recorder = RecordingChooser(chooser)
    proposal = SPACE.compose(recorder, TASK, Budget(flops=BAND))
    assert proposal.inside
    return recorder, math.log(proposal.cost.flops / BAND.low) / math.log(10)


def test_aimed_networks_are_where_they_were_aimed_at() -> None:
    for part in (0.0, 0.25, 0.5, 1.0):
        found = {compose(Aimed(random.Random(i), None, part=part))[1] for i in range(20)}
        assert len(found) > 5, "they are different networks"
        misses = [abs(place - part) for place in found]
        assert median(misses) < 0.05
        assert max(misses) < 0.25, "widths come in steps of 8, which are large steps in a narrow network"


def test_mutations_keep_most_of_a_parent_and_stay_near_its_flops() -> None:
    parent, place = compose(Aimed(random.Random(0), None, part=0.5))
    kept, places = [], []
    for i in range(200):
        child, here = compose(Mutation(random.Random(i), None, parent=parent.params))
        shared = [name for name in parent.params if name in child.params and name != "flops"]
        kept.append(sum(child.params[name] == parent.params[name] for name in shared) / len(shared))
        places.append((here - place) * math.log(10))
    assert 1 - REDRAWN < sum(kept) / len(kept) < 1 - REDRAWN / 3  # a choice drawn anew may fall on the old one
    assert min(kept) < 0.8 < max(kept)
    spread = math.sqrt(sum(step**2 for step in places) / len(places))
    assert 0.8 * STEP < spread < 1.2 * STEP


def test_a_parent_of_another_form_is_no_obstacle() -> None:
    """What a parent has not, or not within the space's choices, is drawn."""
    narrow = SPACE.narrow(kernel=(3,))
    recorder = RecordingChooser(RandomChooser(random.Random(0), None))
    SPACE.narrow(kernel=(11,)).compose(recorder, TASK, Budget(flops=BAND))
    for i in range(20):
        mutation = Mutation(random.Random(i), None, parent=recorder.params)
        proposal = narrow.compose(mutation, TASK, Budget(flops=BAND))
        assert {stage.block.to_dict()["kernel"] for stage in proposal.arch.stages} == {3}
