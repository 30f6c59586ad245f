"""Which contents get a colour of their own: all up to eight, else the largest, and the rest together as "other"."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.reports.figures.frame import COLOURS, OTHER, OTHER_VIDEO, name_text
from sim.reports.run_files import Labels
from sim.reports.words import plural

MOST = 8


@dataclass(frozen=True)
class Groups:
    """`group[code + 1]` is the group of a content (first entry: of none); `names` and `colours` are by group."""

    group: npt.NDArray[np.int64]
    names: tuple[str, ...]
    colours: tuple[str, ...]
    by_name: dict[str, str]

    def of(self, labels: Labels) -> npt.NDArray[np.int64]:
        """The group of each row."""
        return self.group[labels.codes + 1]


def group_contents(labels: Labels, weight: npt.ArrayLike, videos: Collection[str] = ()) -> Groups:
    """Groups by `weight` (a number a row), in the order of the file; the rest are other shows and other videos."""
    size = np.bincount(labels.codes + 1, weights=np.asarray(weight, np.float64), minlength=len(labels.names) + 1)
    used = [k for k in range(len(size)) if size[k] > 0]
    kept = used if len(used) <= MOST else sorted(sorted(used, key=lambda k: (-size[k], k))[: MOST - 1])
    kept.sort(key=lambda k: k or len(size))  # intents of no content come last
    names = [name_text(labels.names[k - 1]) if k else "no content" for k in kept]
    colours = list(COLOURS[: len(kept)])
    by_name = {labels.names[k - 1]: colours[number] for number, k in enumerate(kept) if k}
    group = np.zeros(len(size), dtype=np.int64)
    group[kept] = np.arange(len(kept))
    rest = [k for k in used if k not in kept]
    for word, colour, some in (
        ("show", OTHER, [k for k in rest if k and labels.names[k - 1] not in videos]),
        ("video", OTHER_VIDEO, [k for k in rest if k and labels.names[k - 1] in videos]),
        ("without content", OTHER, [k for k in rest if not k]),
    ):
        if some:
            group[some] = len(names)
            names.append(word if word.startswith("without") else f"other: {plural(len(some), word)}")
            colours.append(colour)
            by_name.update({labels.names[k - 1]: colour for k in some if k})
    return Groups(group, tuple(names), tuple(colours), by_name)
