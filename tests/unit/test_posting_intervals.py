"""When an interval of real time is over: one without a shot is followed by the next, and is not made up for."""

from making import MakeEvent
from vigia.domain.posting import PostingPolicy, ShotSelection


def test_an_interval_without_a_shot_is_followed_by_the_next(make_event: MakeEvent) -> None:
    policy = PostingPolicy(overall_only=False, post_best=False, interval_s=1.0)
    selection = ShotSelection(policy, make_event(at_s=0.0), fits=False)
    assert not selection.tick(1001.2), "over, and nothing to send: the next begins here"
    selection.add(make_event(frame=1, at_s=1.5), fits=True)
    assert not selection.tick(1001.9)
    assert selection.tick(1002.2)
    due = selection.close_interval(1002.2)
    assert due is not None
    assert due[0].event.frame_index == 1
