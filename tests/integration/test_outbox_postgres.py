"""The outbox on a real PostgreSQL server: what it tells when it cannot be used, a server that goes and comes back."""

import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from outbox_rigs import PostgresRig, capture_id_of, capture_of
from postgres_server import PASSWORD, URL_PASSWORD, PostgresServer, postgres_server
from vigia.application.errors import ApplicationError, ConfigurationError, LeaseLost, OutboxUnavailable
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureState, LeasedCapture
from vigia.domain.errors import TransitionError
from vigia.domain.outbox_policy import OutboxPolicy
from vigia.infrastructure.outbox.postgres_address import PostgresAddress
from vigia.infrastructure.outbox.postgres_connections import ConnectionLost
from vigia.infrastructure.outbox.postgres_desk import _NEWEST
from vigia.infrastructure.outbox.postgres_outbox import MERGE_EVERY, PostgresOutbox
from vigia.infrastructure.outbox.postgres_schema import INDICES, INTERIM_VERSION, MIGRATIONS
from vigia.infrastructure.outbox.sealing import PictureSealer, SealingKey, key_id_of
from vigia.testing.sim_clock import SimClock

LEASE_S = 60.0
OLD, NEW = (SealingKey(bytes(range(start, start + 32))) for start in (0, 50))


@pytest.fixture
def server() -> PostgresServer:
    return postgres_server()


@pytest.fixture
def clock() -> SimClock:
    return SimClock()


@pytest.fixture
def rig(tmp_path: Path, clock: SimClock) -> Iterator[PostgresRig]:
    rig = PostgresRig(tmp_path, clock)
    yield rig
    rig.close()


@pytest.fixture
def outbox(rig: PostgresRig, clock: SimClock) -> Iterator[PostgresOutbox]:
    with real(rig, clock=clock) as outbox:
        yield outbox


def real(rig: PostgresRig, *keys: SealingKey, url: str | None = None, clock: SimClock | None = None) -> PostgresOutbox:
    """As a vigia has it: in the server's time."""
    return PostgresOutbox(url or rig.url, clock or SimClock(), schema=rig.schema, codec=PictureSealer(keys))


def lease_one(outbox: PostgresOutbox) -> LeasedCapture:
    (leased,) = outbox.lease(limit=1, duration_s=LEASE_S)
    return leased


def states(outbox: PostgresOutbox) -> dict[int, CaptureState]:
    return {entry.track_id: entry.state for entry in outbox.entries()}


def assert_no_secret(error: BaseException | None) -> None:
    """Neither in the text nor in anything that an error reporter would find."""
    while error is not None:
        told = f"{error}{error!r}{vars(error)}{getattr(error, 'pgconn', None)!r}"
        for secret in (PASSWORD, URL_PASSWORD, "wr0ng"):
            assert secret not in told
        error = error.__cause__ or error.__context__


# What a person has to put right


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"password": "wr0ng"}, r"refuses the user name or the password in outbox\.url"),
        ({"user": "nobody-known"}, r"refuses the user name or the password in outbox\.url"),
        ({"database": "not-there"}, r"has no such database: .*not-there"),
    ],
)
def test_what_the_server_refuses_is_one_clear_error(
    server: PostgresServer, clock: SimClock, change: dict[str, str], text: str
) -> None:
    with pytest.raises(ConfigurationError, match=text) as caught:
        PostgresOutbox(server.url(**change), clock)

    assert_no_secret(caught.value)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql://u:wr0ng/x@host/db", "percent code"),
        ("postgresql://u:12#wr0ng@host/db", "percent code"),
        ("postgresql://u:12?wr0ng@host/db", "percent code"),
        ("postgresql://host:wr0ng/db", "percent code"),
        ("postgresql://u:a wr0ng@host/db", "percent code"),
        ("postgresql://[wr0ng/db", "percent code"),
        ("mysql://u:wr0ng@host/db", "no address of a PostgreSQL database"),
        ("postgresql://u:wr0ng%zz@host/db", "not in percent code"),
        ("postgresql://u:wr0ng@host/db?sslmood=require", "options that PostgreSQL does not know"),
    ],
)
def test_an_address_that_is_none_is_told_without_its_secrets(clock: SimClock, url: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text) as caught:
        PostgresOutbox(url, clock)

    assert_no_secret(caught.value)
    assert "wr0ng" not in f"{PostgresAddress(url)}{PostgresAddress(url)!r}"


def test_a_server_that_is_not_there_may_come_yet(clock: SimClock, tmp_path: Path) -> None:
    with pytest.raises(OutboxUnavailable, match="cannot be reached") as caught:
        PostgresOutbox(f"postgresql://vigia:wr0ng@/db?host={tmp_path}", clock)

    assert_no_secret(caught.value)


def test_a_newer_or_foreign_schema_is_left_alone(rig: PostgresRig, outbox: PostgresOutbox) -> None:
    with rig.connect() as connection:
        connection.execute("UPDATE vigia_outbox SET version = %s", (INTERIM_VERSION + 1,))
    with pytest.raises(ConfigurationError, match="made by a newer vigia"):
        real(rig)
    with rig.connect() as connection:
        connection.execute("DROP TABLE vigia_outbox")
    with pytest.raises(ConfigurationError, match="not an outbox of vigia"):
        real(rig)
    assert states(outbox) == {}


def test_a_user_without_rights_is_told(rig: PostgresRig, server: PostgresServer) -> None:
    with psycopg.connect(rig.url) as connection:
        connection.execute(f"CREATE ROLE weak LOGIN PASSWORD '{PASSWORD.replace('%', '%%')}'".encode() % ())
    try:
        with pytest.raises(ConfigurationError, match="permission denied") as caught:
            PostgresOutbox(server.url(user="weak"), SimClock(), schema=rig.schema)
        assert_no_secret(caught.value)
    finally:
        with psycopg.connect(rig.url) as connection:
            connection.execute("DROP ROLE weak")


def test_beside_changes_nothing_and_needs_an_outbox(rig: PostgresRig) -> None:
    def beside() -> PostgresOutbox:
        return PostgresOutbox(rig.url, SimClock(), schema=rig.schema, beside=True)

    with pytest.raises(ConfigurationError, match="there is no outbox"):
        beside()
    with real(rig) as outbox:
        outbox.commit(capture_of(1))
    with rig.connect() as connection:
        connection.execute("UPDATE vigia_outbox SET version = 0")
    with pytest.raises(ConfigurationError, match="is of version 0"):
        beside()
    with rig.connect() as connection:
        connection.execute("UPDATE vigia_outbox SET version = %s", (len(MIGRATIONS),))
    with beside() as looking:
        assert looking.picture(capture_id_of(1)) == capture_of(1).jpeg


# Several vigias


def test_many_may_make_the_same_outbox_at_once(rig: PostgresRig) -> None:
    threads = 6
    ready = threading.Barrier(threads)

    def open_one(number: int) -> None:
        ready.wait(timeout=20)
        with real(rig) as outbox:
            outbox.commit(capture_of(number))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(open_one, range(threads)))
    with real(rig) as outbox:
        assert sorted(states(outbox)) == list(range(threads))


def test_opening_touches_no_lease_that_stands(rig: PostgresRig, outbox: PostgresOutbox) -> None:
    outbox.commit(capture_of(1))
    leased = lease_one(outbox)

    with real(rig) as other:
        assert other.lease(limit=1, duration_s=LEASE_S) == []
        assert states(other) == {1: CaptureState.LEASED}

    outbox.mark_delivered(leased, ["1"])


def test_a_lease_that_ran_out_is_anybodys(rig: PostgresRig, outbox: PostgresOutbox) -> None:
    outbox.commit(capture_of(1))
    loser = lease_one(outbox)
    with rig.connect() as connection:
        connection.execute("UPDATE capture SET lease_until = extract(epoch FROM clock_timestamp()) - 1")
    with real(rig) as other:
        holder = lease_one(other)
        assert (holder.maybe_sent, holder.attempts) == (True, 1)
        with pytest.raises(LeaseLost):
            outbox.mark_delivered(loser, ["1"])
        other.mark_delivered(holder, ["2"])


def test_the_clock_is_the_servers(outbox: PostgresOutbox, rig: PostgresRig) -> None:
    outbox.commit(capture_of(1))
    with rig.connect() as connection:
        row = connection.execute("SELECT abs(extract(epoch FROM now()) - committed_at) < 60 FROM capture").fetchone()
    assert row == (True,), "the simulated clock of this machine shows another year"


def test_nobody_waits_for_a_capture_that_another_is_just_leasing(rig: PostgresRig, outbox: PostgresOutbox) -> None:
    for number in (1, 2, 3):
        outbox.commit(capture_of(number))
    with rig.connect() as other:
        other.execute("SELECT 1 FROM capture WHERE id = ANY (%s) FOR UPDATE", ([capture_id_of(1), capture_id_of(2)],))
        other.execute("UPDATE camera SET turn = turn + 1")
        assert [capture.id for capture in outbox.lease(limit=2, duration_s=LEASE_S)] == [capture_id_of(3)]


def test_giving_up_and_expiring_pass_over_what_another_is_at_work_on(rig: PostgresRig, outbox: PostgresOutbox) -> None:
    for number in (1, 2):
        outbox.commit(capture_of(number))
    policy = OutboxPolicy(age_max_s=1e-6, delivered_kept=0)
    with rig.connect() as other, PostgresOutbox(rig.url, SimClock(), schema=rig.schema, policy=policy) as tidying:
        other.execute("SELECT 1 FROM capture WHERE id = %s FOR UPDATE", (capture_id_of(1),))
        assert tidying.sweep().expired == 1
        assert states(outbox) == {1: CaptureState.PENDING, 2: CaptureState.DEAD}


def test_sums_stay_true_when_their_parts_are_merged(rig: PostgresRig, outbox: PostgresOutbox) -> None:
    committed = MERGE_EVERY + 6
    for number in range(committed):
        outbox.commit(capture_of(number))
    for leased in outbox.lease(limit=10, duration_s=LEASE_S):
        outbox.mark_delivered(leased, ["1"])
    before = outbox.stats()
    outbox.sweep()
    assert outbox.stats().counts == before.counts == {
        CaptureState.PENDING: committed - 10,
        CaptureState.DELIVERED: 10,
    }  # fmt: skip
    assert outbox.stats().bytes_on_disk == before.bytes_on_disk == (committed - 10) * 102
    with rig.connect() as connection:
        row = connection.execute("SELECT count(*) FROM movement").fetchone()
    assert row is not None
    assert row[0] <= 3  # pending, leased, delivered


# What is read newest first


def version_and_indices(rig: PostgresRig) -> tuple[int, set[str]]:
    with rig.connect() as connection:
        row = connection.execute("SELECT version FROM vigia_outbox").fetchone()
        names = connection.execute("SELECT indexname FROM pg_indexes WHERE schemaname = %s", (rig.schema,)).fetchall()
    assert row is not None
    return row[0], {name for (name,) in names}


@pytest.mark.parametrize("version", [1, INTERIM_VERSION])
def test_indices_are_no_new_version(rig: PostgresRig, outbox: PostgresOutbox, version: int) -> None:
    """A vigia that knows version 1 only works on the same tables, before and after one that makes the indices."""
    outbox.commit(capture_of(1))
    with rig.connect() as connection:
        for name in INDICES if version == 1 else ["capture_of_camera"]:
            connection.execute(f"DROP INDEX {name}".encode())
        connection.execute("UPDATE vigia_outbox SET version = %s", (version,))
    with PostgresOutbox(rig.url, SimClock(), schema=rig.schema, beside=True) as looking:
        assert [entry.track_id for entry in looking.newest(limit=9)] == [1]
    assert version_and_indices(rig)[0] == version
    for _ in range(2):
        with real(rig) as opened:
            assert [entry.track_id for entry in opened.newest(limit=9)] == [1]
        found, names = version_and_indices(rig)
        assert found == 1 == len(MIGRATIONS)
        assert names >= INDICES.keys()


def test_who_opens_an_outbox_that_has_its_indices_waits_for_nobody(rig: PostgresRig, outbox: PostgresOutbox) -> None:
    outbox.commit(capture_of(1))
    with rig.connect() as other:
        other.execute("UPDATE capture SET reason = 'busy'")  # to make an index would wait for this one's end
        with ThreadPoolExecutor(1) as pool:
            opening = pool.submit(real, rig)
            try:
                opening.result(timeout=20.0).close()
            finally:
                other.rollback()


ROWS, FEW = 60_000, 20
BLOCKS_MAX = 200
FEW_BLOCKS_MAX = 90
"""Blocks of 8 KB that a page of 60 may cost, and one of FEW: three for each capture told. All of an index has more."""
FILL = f"""
INSERT INTO capture (id, camera_id, track_id, at_utc, box_xyxy, roi_ltrb, width, height, quality, details, key_id,
                     file_bytes, size_bytes, sha256, state, due_at, committed_at, ended_at, picture_kept)
SELECT lpad(to_hex(n), 32, '0'), CASE WHEN n <= {FEW} THEN 'rare' ELSE 'cam' || (n % 4) END, n,
       '2026-01-05T08:00:00+00:00', '[0, 0, 9, 9]', '[0, 0, 9, 9]', 64, 48,
       CASE WHEN n <= {FEW} THEN 0.95 ELSE 0.5 END, '{{}}', '', 0, 0, '',
       CASE WHEN n <= {FEW} THEN 'refused' ELSE 'delivered' END, 0, n, n, false
FROM generate_series(1, {ROWS}) AS n
"""  # noqa: S608 - constant text; the few are the oldest: whoever walks from the newest meets all the others first


def test_a_few_are_found_among_many_without_a_look_at_the_others(rig: PostgresRig, outbox: PostgresOutbox) -> None:
    with rig.connect() as connection:
        connection.execute(FILL.encode())
        connection.execute("ANALYZE capture")
    nothing = {"before": None, "state": None, "finished": False, "camera": None, "quality": None, "limit": 60}
    refused = {"state": "refused", "finished": True}
    for asked in (
        {},
        {"state": "pending"},
        {"state": "delivered", "finished": True},
        {"state": "dead", "finished": True},
        refused,
        refused | {"camera": "rare"},
        refused | {"quality": 0.9},
        {"camera": "rare"},
        {"camera": "cam1", "before": 5000},
    ):
        with outbox._connections.reading() as session:
            told = session.one(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {_NEWEST}", nothing | asked)
        plan = next(iter(told.values()))[0]["Plan"]
        blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        assert blocks < (FEW_BLOCKS_MAX if plan["Actual Rows"] <= FEW else BLOCKS_MAX), (asked, plan)
    assert [entry.track_id for entry in outbox.newest(limit=60, state=CaptureState.REFUSED)] == [*range(FEW, 0, -1)]
    assert [entry.track_id for entry in outbox.newest(limit=2, camera_id=CameraId("rare"))] == [FEW, FEW - 1]


# A server that goes and comes back


@pytest.fixture
def restartable(server: PostgresServer) -> Iterator[PostgresServer]:
    yield server
    with contextlib.suppress(AssertionError):  # it runs
        server.start()


def test_a_restart_in_the_middle_loses_nothing(
    restartable: PostgresServer, rig: PostgresRig, outbox: PostgresOutbox, clock: SimClock
) -> None:
    outbox.commit(capture_of(1))
    outbox.commit(capture_of(2))
    leased = lease_one(outbox)
    restartable.stop()
    for call in (
        lambda: outbox.commit(capture_of(3)),
        lambda: outbox.mark_delivered(leased, ["1"]),
        outbox.next_due_s,
        outbox.stats,
    ):
        with pytest.raises(OutboxUnavailable) as caught:
            call()
        assert_no_secret(caught.value)
    restartable.start()

    with contextlib.closing(real(rig)):
        pass
    clock.advance(1.0)  # the pause after a refusal
    outbox.commit(capture_of(3))
    outbox.mark_delivered(leased, ["1"])
    assert states(outbox) == {1: CaptureState.DELIVERED, 2: CaptureState.PENDING, 3: CaptureState.PENDING}


def test_connections_that_were_cut_off_while_idle_are_not_noticed(rig: PostgresRig, outbox: PostgresOutbox) -> None:
    outbox.commit(capture_of(1))
    cut_off(rig)

    outbox.commit(capture_of(2))
    cut_off(rig)
    assert outbox.stats().unsent == 2


def cut_off(rig: PostgresRig) -> None:
    """End every other session, as a server does that is shut down."""
    with psycopg.connect(rig.url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE application_name = 'vigia' AND pid <> pg_backend_pid()"
        )


def test_a_session_that_ends_within_a_transaction_leaves_nothing(rig: PostgresRig) -> None:
    def cut(name: str) -> None:
        if name == "commit.written":
            cut_off(rig)

    with PostgresOutbox(rig.url, SimClock(), schema=rig.schema, fault_point=cut) as outbox:
        with pytest.raises(ConnectionLost):
            outbox.commit(capture_of(1))
        assert states(outbox) == {}


def test_an_end_that_is_cut_off_is_written_down_by_itself(rig: PostgresRig) -> None:
    cuts = ["delivered.written"]

    def cut(name: str) -> None:
        if name in cuts:
            cuts.remove(name)
            cut_off(rig)

    with PostgresOutbox(rig.url, SimClock(), schema=rig.schema, fault_point=cut) as outbox:
        outbox.commit(capture_of(1))
        leased = lease_one(outbox)
        outbox.mark_delivered(leased, ["1"])
        assert not cuts
        assert states(outbox) == {1: CaptureState.DELIVERED}
        with pytest.raises(LeaseLost):
            outbox.mark_delivered(leased, ["1"])


class DeafProxy:
    """Stands between a client and the server, and cuts a connection off when the server has answered its COMMIT.

    Owner: the test; a thread for each direction of each connection, which end with their sockets.
    """

    def __init__(self, folder: Path, server_socket: str) -> None:
        self.cut_next = False
        self._server_socket = server_socket
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._pool = ThreadPoolExecutor(32)
        self._open: list[socket.socket] = [self._listener]
        self._pool.submit(self._serve)

    def close(self) -> None:
        for side in self._open:
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()
        self._pool.shutdown()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server_socket)
                self._open += [client, server]
                deaf = threading.Event()
                self._pool.submit(self._pass, client, server, deaf, from_client=True)
                self._pool.submit(self._pass, server, client, deaf, from_client=False)

    def _pass(self, source: socket.socket, target: socket.socket, deaf: threading.Event, *, from_client: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if from_client and self.cut_next and b"COMMIT\0" in data:
                    self.cut_next = False
                    deaf.set()
                if deaf.is_set() and not from_client:
                    target.shutdown(socket.SHUT_RDWR)  # the client hears nothing, and that it is over
                    break
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(server: PostgresServer, tmp_path: Path) -> Iterator[DeafProxy]:
    found = re.search(r"host=(.*)", server.url())
    assert found is not None
    proxy = DeafProxy(tmp_path, f"{found[1]}/.s.PGSQL.5432")
    yield proxy
    proxy.close()


def test_a_commit_whose_answer_was_lost_is_there_and_says_so(
    rig: PostgresRig, proxy: DeafProxy, tmp_path: Path, server: PostgresServer
) -> None:
    with real(rig, url=re.sub(r"host=.*", f"host={tmp_path}", server.url())) as outbox:
        proxy.cut_next = True
        with pytest.raises(ConnectionLost):
            outbox.commit(capture_of(1))
        with pytest.raises(TransitionError):  # what the committing thread takes for an answer
            outbox.commit(capture_of(1))
        assert states(outbox) == {1: CaptureState.PENDING}


def test_a_delivery_whose_answer_was_lost_is_written_down_once(
    rig: PostgresRig, proxy: DeafProxy, tmp_path: Path, server: PostgresServer
) -> None:
    with real(rig, url=re.sub(r"host=.*", f"host={tmp_path}", server.url())) as outbox:
        outbox.commit(capture_of(1))
        leased = lease_one(outbox)
        proxy.cut_next = True
        outbox.mark_delivered(leased, ["1"])
        assert not proxy.cut_next
        assert states(outbox) == {1: CaptureState.DELIVERED}
        assert outbox.stats().counts == {CaptureState.DELIVERED: 1}


# What is stored


def test_sealed_pictures_lie_sealed_and_are_left_to_those_who_have_the_key(rig: PostgresRig) -> None:
    with real(rig, OLD) as outbox:
        outbox.commit(capture_of(1))
        with rig.connect() as connection:
            row = connection.execute("SELECT data FROM picture").fetchone()
        assert row is not None
        assert key_id_of(row[0]) == OLD.id
        assert capture_of(1).jpeg[10:90] not in row[0]
        with pytest.raises(ConfigurationError, match=f"sealed with the key {OLD.id}"):
            real(rig, NEW)
        with PostgresOutbox(
            rig.url, SimClock(), schema=rig.schema, codec=PictureSealer([NEW]), beside=True
        ) as stranger:
            assert stranger.next_due_s() is None
            assert stranger.lease(limit=1, duration_s=LEASE_S) == []
        assert states(outbox) == {1: CaptureState.PENDING}
    with real(rig, NEW, OLD) as rotated:
        assert lease_one(rotated).jpeg == capture_of(1).jpeg
        assert rotated.verify().sound


def test_texts_that_the_server_cannot_store_do_not_stop_a_capture(outbox: PostgresOutbox) -> None:
    outbox.commit(capture_of(1))
    outbox.retry_later(lease_one(outbox), delay_s=0.0, reason="a\0b\ud800")
    outbox.mark_refused(lease_one(outbox), "c\0d")
    assert [entry.reason for entry in outbox.entries()] == ["c\ufffdd"]


def test_a_commit_is_durable_whatever_the_servers_default(rig: PostgresRig) -> None:
    with psycopg.connect(rig.url) as connection:
        connection.execute("ALTER ROLE vigia SET synchronous_commit = off")
    try:
        with real(rig) as outbox, outbox._connections.reading() as session:
            assert session.one("SHOW synchronous_commit") == {"synchronous_commit": "on"}
    finally:
        with psycopg.connect(rig.url) as connection:
            connection.execute("ALTER ROLE vigia RESET synchronous_commit")


def test_an_outbox_tells_where_it_is_and_no_more(outbox: PostgresOutbox) -> None:
    assert re.fullmatch(r"<PostgresOutbox postgresql:///postgres>", repr(outbox))
    outbox.close()
    with pytest.raises(ApplicationError, match="closed"):
        outbox.stats()
