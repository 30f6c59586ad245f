"""What a scenario says of its search, `optimise:`, checked as far as can be without a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sim.errors import Problem
from sim.scenario.parts.comparing import SearchSpace
from sim.scenario.reading.nodes import Node, dotted
from sim.scenario.reading.problems import problem_at
from sim.scenario.reading.vary import put_changes
from sim.scenario.studies.knobs import Knob, WrongKnobError, outer_of, parse_knob
from sim.scenario.studies.limits import take_limit


def search_problems(root: Node, space: SearchSpace, trees: Sequence[Node]) -> Iterator[Problem]:
    """Knobs and limits that cannot be read, and knobs on what is in none of the `trees`, which strategies make of
    `root`."""
    knobs: dict[str, Knob] = {}
    for key, text in space.knobs.items():
        try:
            knobs[key] = parse_knob(f"{key}={text}")
        except WrongKnobError as error:
            yield problem_at(root, ("optimise", "knobs", key), error.reason)
    for key, knob in knobs.items():
        at = ("optimise", "knobs", key)
        outer = outer_of(knob.path, [other.path for other in knobs.values()])
        if outer is not None:
            yield problem_at(root, at, f"lies inside another knob, {dotted(outer)}", "", "")
        found = [put_changes(tree, {knob.name: knob.node(0)})[1] for tree in trees]
        if all(found):
            first = found[0][0]  # as the scenario stands
            yield problem_at(root, at, f"{first.path}: {first.message}", first.allowed, first.found)
    for number, text in enumerate(space.subject_to):
        try:
            take_limit(text)
        except ValueError as error:
            yield problem_at(root, ("optimise", "subject_to", number), str(error))
