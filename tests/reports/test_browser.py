"""The page as a browser shows it: on a desk and on a phone, by day and by night."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from sim.reports import page
from tests.paths import SCENARIOS
from tests.reports.browser import NAMES, Look, Seen, find_browser, look_at
from tests.reports.load_runs import write_load_run
from tests.reports.synthetic import write_run

BROWSER = find_browser()
LOOKS = [
    Look("desk-light", 1280, 900, dark=False),
    Look("desk-dark", 1280, 900, dark=True),
    Look("phone-light", 390, 844, dark=False),
    Look("phone-dark", 390, 844, dark=True),
]
GROUNDS = {False: "rgb(255, 255, 255)", True: "rgb(21, 24, 27)"}

pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser on the PATH: {', '.join(NAMES)}")


@pytest.fixture(scope="module", params=["load", "simulated"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    directory = tmp_path_factory.mktemp(request.param) / "run"
    if request.param == "load":
        write_load_run(directory, "ladder")
    else:
        write_run(directory, SCENARIOS / "evening_show.yaml", 300)
    found = look_at(str(BROWSER), page.write(directory), LOOKS)
    _keep(directory, found)
    return found


def _keep(directory: Path, found: dict[str, Seen]) -> None:
    """Leave the screenshots beside the page, for whoever wants to look."""
    for name, one in found.items():
        (directory / f"screenshot-{name}.png").write_bytes(one.picture)


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_the_browser_has_nothing_to_complain_of_and_loads_only_the_page(seen: dict[str, Seen], look: Look) -> None:
    assert seen[look.name].complaints == []
    others = [url for url in seen[look.name].requests if not url.startswith("data:")]
    assert [url.rsplit("/", 1)[-1] for url in others] == ["report.html"]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_the_page_fits_the_screen_and_follows_its_colours(seen: dict[str, Seen], look: Look) -> None:
    assert seen[look.name].scroll_width <= look.width
    assert seen[look.name].ground == GROUNDS[look.dark]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_the_screenshot_is_not_blank(seen: dict[str, Seen], look: Look) -> None:
    picture = imread(io.BytesIO(seen[look.name].picture), format="png")[..., :3]
    assert picture.shape[1] == look.width
    light = picture.mean(axis=2)
    assert (light.mean() < 0.5) == look.dark
    assert light.std() > 0.03
    assert len(np.unique((picture * 15).astype(np.uint8)[::3, ::3].reshape(-1, 3), axis=0)) > 12


def test_a_page_that_fails_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<img src=missing.png><script>throw new Error('x')</script>")
    found = look_at(str(BROWSER), tmp_path / "report.html", LOOKS[:1])["desk-light"]
    assert len(found.complaints) >= 2
    assert len(found.requests) == 2
