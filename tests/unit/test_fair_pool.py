"""A bounded store that no camera fills at the others' cost."""

from hypothesis import given
from hypothesis import strategies as st

from vigia.application.fair_pool import FairPool
from vigia.domain.camera import CameraId

PUTS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 5), st.integers(0, 60)), max_size=120
)  # key, camera, bytes


@given(puts=PUTS, bytes_max=st.integers(0, 300), count_max=st.integers(0, 12), pops=st.sets(st.integers(0, 40)))
def test_the_bounds_hold_and_the_sums_are_right(
    puts: list[tuple[int, int, int]], bytes_max: int, count_max: int, pops: set[int]
) -> None:
    gone: list[int] = []
    pool: FairPool[int, tuple[int, int]] = FairPool(bytes_max=bytes_max, count_max=count_max, on_gone=gone.append)
    model: dict[int, tuple[int, int]] = {}
    for key, camera, size in puts:
        model.pop(key, None)
        gone.clear()
        kept = pool.put(key, (camera, size), camera_id=CameraId(str(camera)), size_bytes=size)
        if size <= bytes_max and count_max:
            model[key] = (camera, size)
        for lost in gone:
            del model[lost]
        assert kept == (key in model)
        if key in pops:
            assert pool.pop(key) == model.pop(key, None)
        assert dict(pool.newest_first()) == model
        assert [k for k, _ in pool.newest_first()] == list(reversed(model))
        assert pool.size_bytes == sum(size for _, size in model.values()) <= bytes_max
        assert len(pool) == len(model) <= count_max
    assert pool.clear() == sum(size for _, size in model.values())
    assert not list(pool.newest_first())


@given(
    quiet=st.integers(1, 4),
    each=st.integers(1, 10),
    noise=st.lists(st.integers(1, 30), min_size=1, max_size=400),
)
def test_a_noisy_camera_takes_nothing_from_those_within_their_share(quiet: int, each: int, noise: list[int]) -> None:
    """Each quiet camera has at most what an equal share is; the noisy one may do what it likes."""
    bytes_max = 10 * each * (quiet + 1)
    pool: FairPool[str, int] = FairPool(bytes_max=bytes_max, count_max=10_000)
    for camera in range(quiet):
        for number in range(each):
            pool.put(f"{camera}-{number}", 0, camera_id=CameraId(str(camera)), size_bytes=10)
    for number, size in enumerate(noise):
        pool.put(f"noise-{number}", 0, camera_id=CameraId("noise"), size_bytes=size)
    kept = [key for key, _ in pool.newest_first()]
    assert sum(not key.startswith("noise") for key in kept) == quiet * each
    noisy = [int(key.split("-")[1]) for key in kept if key.startswith("noise")]
    assert noisy == sorted(noisy, reverse=True)  # its newest


def test_one_with_the_same_key_takes_the_place_of_the_former() -> None:
    pool: FairPool[str, str] = FairPool(bytes_max=100, count_max=10)
    pool.put("a", "old", camera_id=CameraId("1"), size_bytes=60)
    assert pool.put("a", "new", camera_id=CameraId("2"), size_bytes=70)
    assert (pool.get("a"), pool.size_bytes, len(pool)) == ("new", 70, 1)
    assert not pool.put("a", "huge", camera_id=CameraId("2"), size_bytes=101)
    assert pool.get("a") is None
    assert pool.pop("a") is None


@given(
    puts=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.integers(0, 9)), max_size=40),
    before_s=st.integers(0, 10),
    shrunk=st.integers(0, 9),
)
def test_what_is_too_old_goes_and_what_became_smaller_is_as_old_as_it_was(
    puts: list[tuple[int, int, int]], before_s: int, shrunk: int
) -> None:
    pool: FairPool[int, int] = FairPool(bytes_max=10_000, count_max=100)
    model: dict[int, int] = {}
    for key, camera, at_s in puts:
        pool.put(key, at_s, camera_id=CameraId(str(camera)), size_bytes=10, at_s=float(at_s))
        model.pop(key, None)
        model[key] = at_s
    pool.shrink(shrunk, -1, size_bytes=4)
    pool.shrink(shrunk, -2, size_bytes=11)  # larger: not so
    assert pool.size_bytes == 10 * len(model) - 6 * (shrunk in model)
    assert pool.get(shrunk) == (-1 if shrunk in model else None)
    assert pool.drop_before(before_s) == sum(at_s < before_s for at_s in model.values())
    assert [key for key, _ in pool.newest_first()] == [key for key in reversed(model) if model[key] >= before_s]
    left = [key for key, at_s in model.items() if at_s >= before_s]
    assert pool.size_bytes == 10 * len(left) - 6 * (shrunk in left)
    assert pool.clear() == 10 * len(left) - 6 * (shrunk in left)
