"""One view of the crew for all who look at it: built again when it is too old, or when somebody needs it fresh."""

from vigia.application.crew import VIEW_KEPT_S, CrewView, RecentView
from vigia.application.orchestrator import WATCH_S
from vigia.testing.sim_clock import SimClock


class Crew:
    def __init__(self) -> None:
        self.built = 0

    def view(self) -> CrewView:
        self.built += 1
        return CrewView([], [], committed=self.built, lost=0, commit_waiting=0, ended=False)


def test_it_is_built_once_while_it_is_young() -> None:
    clock, crew = SimClock(), Crew()
    view = RecentView(crew.view, clock=clock)
    assert [view().committed, view().committed] == [1, 1]
    clock.advance(VIEW_KEPT_S)
    assert view().committed == 1
    clock.advance(0.01)
    assert [view().committed, view().committed] == [2, 2]


def test_who_needs_it_fresh_renews_it_for_all() -> None:
    clock, crew = SimClock(), Crew()
    view = RecentView(crew.view, clock=clock)
    assert [view().committed, view.fresh().committed, view().committed] == [1, 2, 2]


def test_the_orchestrators_pace_keeps_one_at_hand() -> None:
    assert WATCH_S < VIEW_KEPT_S <= 1.0
