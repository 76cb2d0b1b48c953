"""The parts of the web server without a server: users, sessions, lock-out, audit log, headers, acts, settings."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from starlette.datastructures import Headers

from outbox_rigs import capture_of
from vigia.application.audit_port import AuditAction, AuditEntry, Person
from vigia.application.errors import ConfigurationError, OutboxUnavailable
from vigia.application.use_cases.operate import ActResult, OperateUseCase
from vigia.bootstrap.crews import without_secrets
from vigia.domain.capture import CaptureId
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.config.reloading import restart_keys
from vigia.infrastructure.web.access import GuardedSocket
from vigia.infrastructure.web.audit_file import AuditFile, AuditFiles
from vigia.infrastructure.web.devices import DEVICES_OF_ONE_MAX, DeviceStore
from vigia.infrastructure.web.headers import host_is_ours, origin_matches
from vigia.infrastructure.web.lockout import ENTRIES_MAX, FORGET_S, FREE_FAILURES, PAUSE_MAX_S, LockOut
from vigia.infrastructure.web.login import safe_path
from vigia.infrastructure.web.sessions import SESSIONS_MAX, SESSIONS_OF_ONE_MAX, Session, SessionStore
from vigia.infrastructure.web.texts import chosen_language
from vigia.infrastructure.web.users import FIRST_USER, HASHER, KEEP_S, Role, User, UserFile
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock
from web_site import PASSWORD, QUICK, AuditList

AT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
WHO = Person("olga", "operator", "10.0.0.9")


@pytest.fixture
def users(tmp_path: Path) -> UserFile:
    return UserFile(tmp_path / "users.json", hasher=QUICK)


def some_user(users: UserFile, name: str = "olga") -> User:
    return users.set_password(name, PASSWORD, now_utc=AT)


def test_the_first_user_is_made_once_and_may_act(users: UserFile) -> None:
    password = users.make_first(now_utc=AT)
    assert password is not None
    assert len(password) >= 16
    assert users.make_first(now_utc=AT) is None
    user = users.check(FIRST_USER, password)
    assert user is not None
    assert user.role is Role.OPERATOR
    assert users.path.stat().st_mode & 0o777 == 0o600
    assert password not in users.path.read_text()
    assert HASHER.hash(password).startswith("$argon2id$")


def test_passwords_are_checked_and_changed_under_a_readers_eyes(users: UserFile) -> None:
    some_user(users)
    reader = UserFile(users.path, hasher=QUICK)
    assert reader.check("olga", PASSWORD) is not None
    assert reader.check("olga", PASSWORD + "x") is None
    assert reader.check("olga", "x" * 100_000) is None
    assert reader.check("nobody", PASSWORD) is None
    users.set_password("olga", "another-horse", role=Role.OPERATOR, now_utc=AT)
    assert reader.check("olga", PASSWORD) is None
    changed = reader.check("olga", "another-horse")
    assert changed is not None
    assert changed.role is Role.OPERATOR
    assert users.set_password("olga", PASSWORD, now_utc=AT).role is Role.OPERATOR  # kept


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("", PASSWORD),
        ("a b", PASSWORD),
        ("a" * 65, PASSWORD),
        ("olga\n", PASSWORD),
        ("olga", "short"),
        ("o", "x" * 257),
    ],
)
def test_names_and_passwords_that_will_not_do_are_refused(users: UserFile, name: str, password: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        users.set_password(name, password, now_utc=AT)
    assert password not in str(refused.value)
    assert not users.path.exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 9, "users": []}', '{"version": 1, "users": [{}]}'])
def test_a_file_that_is_not_ours_lets_nobody_in_and_is_left_alone(
    users: UserFile, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    users.path.write_text(content)
    with caplog.at_level(logging.ERROR, "vigia.web"):
        assert users.check("olga", PASSWORD) is None
    assert "cannot be read" in caplog.text
    for act in (users.users, lambda: users.make_first(now_utc=AT), lambda: some_user(users)):
        with pytest.raises(ConfigurationError):
            act()
    assert users.path.read_text() == content


def test_a_session_is_held_until_it_ends_in_any_way(users: UserFile, clock: SimClock) -> None:
    store = SessionStore(users, clock=clock, idle_s=60.0, absolute_s=600.0)
    olga = some_user(users)

    def opened() -> tuple[str, Session]:
        token, session = store.open(olga, address="a")
        assert store.holds(session)
        return token, session

    token, session = opened()
    _, other = opened()
    store.close(token)
    assert not store.holds(session)
    assert store.holds(other), "only the very one that was ended"
    assert not store.holds(replace(other)), "nor one that only looks like it"
    clock.advance(40.0)
    assert store.holds(other)
    clock.advance(20.0)  # asking was no use
    assert not store.holds(other)
    _, session = opened()
    olga = users.set_password("olga", PASSWORD, role=Role.VIEWER, now_utc=AT)
    assert not store.holds(session)
    token, session = opened()
    for _ in range(11):
        clock.advance(55.0)
        store.find(token)
    assert not store.holds(session)


def test_sessions_are_bounded_of_one_and_of_all(users: UserFile, clock: SimClock) -> None:
    store = SessionStore(users, clock=clock, idle_s=60.0, absolute_s=600.0)
    olga = some_user(users)
    tokens = []
    for _ in range(SESSIONS_OF_ONE_MAX + 1):
        tokens.append(store.open(olga, address="a")[0])
        clock.advance(0.1)
    assert store.find(tokens[0]) is None
    assert store.find(tokens[1]) is not None
    assert len(store) == SESSIONS_OF_ONE_MAX
    for number in range(SESSIONS_MAX + 5):
        store.open(User(f"u{number}", Role.VIEWER, "", ""), address="a")
    assert len(store) == SESSIONS_MAX
    clock.advance(61.0)
    assert len(store) == 0


@given(st.text(max_size=200))
def test_made_up_session_ids_find_nothing(tmp_path_factory: pytest.TempPathFactory, token: str) -> None:
    users = UserFile(tmp_path_factory.getbasetemp() / "none.json", hasher=QUICK)
    store = SessionStore(users, clock=SimClock(), idle_s=60.0, absolute_s=600.0)
    store.open(User("olga", Role.VIEWER, "", ""), address="a")
    assert store.find(token) is None


class LockOutMachine(RuleBasedStateMachine):
    """Whatever is tried in whatever order: pauses are bounded, and end; right passwords clear their own names only."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = SimClock()
        self.lockout = LockOut(clock=self.clock)
        self.failures: dict[tuple[str, str], int] = {}

    @rule(user=st.sampled_from(["olga", "OLGA", "nobody"]), address=st.sampled_from(["a", "b"]), good=st.booleans())
    def attempt(self, user: str, address: str, good: bool) -> None:
        attempt = self.lockout.begin(user, address)
        wait_s = attempt.wait_s
        assert 0.0 <= wait_s <= PAUSE_MAX_S
        keys = ("user", user.casefold()), ("address", address)
        worst = max(self.failures.get(key, 0) for key in keys)
        if worst < FREE_FAILURES:
            assert wait_s == 0.0
        if wait_s > 0.0:
            return
        for key in keys:
            self.failures[key] = self.failures.get(key, 0) + 1
        if good:
            self.lockout.right(attempt)
            for key in keys:
                self.failures.pop(key)

    @rule(seconds=st.sampled_from([1.0, 30.0, PAUSE_MAX_S]))
    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def forget(self) -> None:
        self.clock.advance(FORGET_S)
        self.failures.clear()
        attempt = self.lockout.begin("olga", "a")
        assert attempt.wait_s == 0.0
        self.lockout.right(attempt)

    @invariant()
    def bounded(self) -> None:
        assert len(self.lockout) <= 4


TestLockOut = LockOutMachine.TestCase


def test_the_table_is_bounded_and_keeps_who_failed_most(clock: SimClock) -> None:
    lockout = LockOut(clock=clock)
    for _ in range(FREE_FAILURES):
        lockout.begin("olga", "a")
        clock.advance(0.01)
    for number in range(ENTRIES_MAX + 10):
        lockout.begin(f"u{number}", f"host{number}")
    assert len(lockout) <= ENTRIES_MAX
    assert lockout.begin("olga", "b").wait_s > 0.0


def test_pauses_double_up_to_the_longest(clock: SimClock) -> None:
    lockout, pauses = LockOut(clock=clock), []
    for _ in range(FREE_FAILURES + 8):
        while (wait_s := lockout.begin("olga", "a").wait_s) > 0.0:
            pauses.append(wait_s)
            clock.advance(wait_s)
    assert pauses[:5] == [30.0, 60.0, 120.0, 240.0, 480.0]
    assert set(pauses[5:]) == {PAUSE_MAX_S}


def test_the_audit_log_is_one_line_an_act_and_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "audit.jsonl"
    audit = AuditFile(path, bytes_max=400, backups=2)
    hostile = "x\n" + "y" * 5000
    for number in range(12):
        audit.record(AuditEntry(AT, Person(hostile, "viewer", "::1"), AuditAction.DROP, "ok", f"id{number}"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[-1]["target"] == "id11"
    assert lines[-1]["user"] == hostile[:64]
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in path.parent.iterdir()) == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]


@given(name=st.text(max_size=80), target=st.text(max_size=300))
def test_an_audit_entry_is_one_plain_line_whatever_was_typed(
    tmp_path_factory: pytest.TempPathFactory, name: str, target: str
) -> None:
    path = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    AuditFile(path).record(AuditEntry(AT, Person(name, "", "::1"), AuditAction.DROP, "ok", target))
    content = path.read_bytes()
    assert content.endswith(b"\n")
    assert all(0x20 <= byte < 0x7F for byte in content[:-1])
    assert json.loads(content)["user"] == name[:64]


def test_log_ins_that_fail_do_not_push_acts_out(tmp_path: Path) -> None:
    acts, log_ins = tmp_path / "audit.jsonl", tmp_path / "audit-logins.jsonl"
    audit = AuditFiles(AuditFile(acts), AuditFile(log_ins, bytes_max=1000, backups=1, sync=False))
    for action, result in ((AuditAction.LOGIN, "ok"), (AuditAction.DROP, "ok"), (AuditAction.REFUSED, "role")):
        audit.record(AuditEntry(AT, WHO, action, result))
    for number in range(50):
        audit.record(AuditEntry(AT, WHO, AuditAction.LOGIN, "wrong" if number % 2 else "locked"))
    audit.record(AuditEntry(AT, WHO, AuditAction.LOGOUT, "ok"))
    told = [json.loads(line)["action"] for line in acts.read_text().splitlines()]
    assert told == ["login", "outbox.drop", "refused", "logout"]
    assert log_ins.stat().st_size <= 1000
    assert log_ins.stat().st_mode & 0o777 == 0o600


def test_ipv6_counts_by_network(clock: SimClock) -> None:
    lockout = LockOut(clock=clock)
    for number in range(FREE_FAILURES):
        assert lockout.begin(f"u{number}", f"2001:db8::{number}").wait_s == 0.0
    assert lockout.begin("olga", "2001:db8::ffff").wait_s > 0.0
    assert lockout.begin("olga", "2001:db8:0:1::1").wait_s == 0.0


def test_each_pause_is_news_once(clock: SimClock) -> None:
    lockout = LockOut(clock=clock)
    for _ in range(FREE_FAILURES):
        lockout.begin("olga", "a")
    assert [lockout.begin("olga", "a").is_news for _ in range(3)] == [True, False, False]
    assert not lockout.begin("vera", "a").is_news  # the network's pause, which is known
    assert not lockout.begin("olga", "b").is_news
    clock.advance(30.0)
    assert lockout.begin("olga", "a").wait_s == 0.0
    assert [lockout.begin("olga", "a").is_news for _ in range(2)] == [True, False]


def test_a_known_browser_counts_by_itself(clock: SimClock) -> None:
    lockout = LockOut(clock=clock)
    for _ in range(FREE_FAILURES + 1):
        lockout.begin("olga", "a")
    attempt = lockout.begin("olga", "a", device="d")
    assert attempt.wait_s == 0.0
    lockout.right(attempt)
    assert lockout.begin("olga", "a").wait_s > 0.0  # others' failures are not forgotten by that
    for _ in range(FREE_FAILURES):
        assert lockout.begin("olga", "c", device="d").wait_s == 0.0
    assert lockout.begin("olga", "c", device="d").wait_s > 0.0
    assert lockout.begin("vera", "c", device="e").wait_s == 0.0


def test_known_browsers_are_bounded_kept_and_one_users(tmp_path: Path) -> None:
    path, there = tmp_path / "data" / "devices.json", {"olga", "vera"}
    store = DeviceStore(path, exists=there.__contains__)
    tokens = [store.remember("olga", "") for _ in range(DEVICES_OF_ONE_MAX + 1)]
    hers = store.remember("vera", tokens[1])  # somebody else's token is not hers
    assert hers not in tokens
    assert store.remember("vera", hers) == hers
    assert store.find("olga", tokens[0]) is None
    assert store.find("vera", tokens[1]) is None
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(token in path.read_text() for token in (*tokens, hers))
    again = DeviceStore(path, exists=there.__contains__)
    assert len(again) == DEVICES_OF_ONE_MAX + 1
    assert again.find("olga", tokens[-1]) == store.find("olga", tokens[-1]) is not None
    there.remove("olga")
    again.remember("vera", "")
    assert len(DeviceStore(path, exists=there.__contains__)) == 2


@pytest.mark.parametrize("content", ["", "[]", '{"version": 9, "devices": []}', '{"version": 1, "devices": [{}]}'])
def test_a_list_of_browsers_that_cannot_be_read_is_begun_anew(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "devices.json"
    path.write_text(content)
    with caplog.at_level(logging.WARNING, "vigia.web"):
        store = DeviceStore(path, exists=lambda _name: True)
    assert "cannot be read" in caplog.text
    token = store.remember("olga", "")
    assert DeviceStore(path, exists=lambda _name: True).find("olga", token) is not None


def test_known_browsers_that_cannot_be_written_count_until_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    store = DeviceStore(tmp_path / "file" / "devices.json", exists=lambda _name: True)
    with caplog.at_level(logging.ERROR, "vigia.web"):
        token = store.remember("olga", "")
    assert "forgotten with the next start" in caplog.text
    assert store.find("olga", token) is not None


@pytest.mark.parametrize("how", ["gone", "broken"])
def test_a_users_file_that_is_away_for_a_moment_throws_nobody_out(
    tmp_path: Path, clock: SimClock, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    users = UserFile(tmp_path / "users.json", hasher=QUICK, clock=clock)
    olga = some_user(users)
    store = SessionStore(users, clock=clock, idle_s=600.0, absolute_s=600.0)
    token, _ = store.open(olga, address="a")
    assert store.find(token) is not None
    content = users.path.read_text()
    caplog.set_level(logging.INFO, "vigia.web")

    def away() -> None:
        users.path.unlink() if how == "gone" else users.path.write_text(content[:50])

    away()
    for _ in range(3):
        assert store.find(token) is not None
    users.path.write_text(content)
    assert store.find(token) is not None
    told = [record.levelname for record in caplog.records]
    assert told == ["ERROR", "INFO"]
    away()
    assert store.find(token) is not None
    clock.advance(KEEP_S)
    assert store.find(token) is None
    assert users.check("olga", PASSWORD) is None
    assert len(caplog.records) == 3


def test_an_audit_log_that_cannot_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with caplog.at_level(logging.ERROR, "vigia.web"):
        AuditFile(blocked / "audit.jsonl").record(AuditEntry(AT, WHO, AuditAction.RELOAD, "ok"))
    assert "cameras.reload" in caplog.text


def test_acts_say_what_came_of_each_capture(clock: SimClock) -> None:
    outbox, audit, reloads = MemoryOutbox(clock), AuditList(), []
    operate = OperateUseCase(outbox, audit, reload=lambda: reloads.append(1), clock=clock)
    pending = capture_of(1)
    outbox.commit(pending)
    assert [act.result for act in operate.retry([pending.id], who=WHO)] == [ActResult.WRONG_STATE]
    (leased,) = outbox.lease(limit=1, duration_s=60.0)
    assert [act.result for act in operate.drop([pending.id], who=WHO)] == [ActResult.WRONG_STATE]
    outbox.mark_refused(leased, "no face")
    assert [act.result for act in operate.retry([pending.id, pending.id], who=WHO)] == [ActResult.OK]
    assert [act.result for act in operate.drop([pending.id], who=WHO)] == [ActResult.OK]
    assert [act.result for act in operate.drop([pending.id], who=WHO)] == [ActResult.UNKNOWN]
    operate.reload(who=WHO)
    assert reloads == [1]
    assert [entry.result for entry in audit.entries] == ["wrong_state", "wrong_state", "ok", "ok", "unknown", "ok"]
    assert {entry.who for entry in audit.entries} == {WHO}


def test_an_outbox_that_is_away_is_said_so(clock: SimClock) -> None:
    class Away(MemoryOutbox):
        def entry(self, capture_id: CaptureId) -> None:
            raise OutboxUnavailable("the server of the outbox does not answer for %(id)s", id=capture_id)

    audit = AuditList()
    operate = OperateUseCase(Away(clock), audit, reload=lambda: None, clock=clock)
    assert operate.drop([CaptureId("f" * 32)], who=WHO)[0].result is ActResult.UNAVAILABLE
    assert audit.entries[0].result == "unavailable"


@given(st.text(max_size=60))
def test_any_host_and_origin_are_judged(text: str) -> None:
    value = text.encode("utf-8", "replace")
    headers = Headers(raw=[(b"host", value), (b"origin", value)])
    assert host_is_ours(headers, {"localhost"}) in {True, False}
    assert origin_matches(headers, scheme="http") in {True, False}


@given(st.text(max_size=60))
def test_the_way_back_stays_here(text: str) -> None:
    path = safe_path(text)
    assert path.startswith("/")
    assert not path.startswith("//")
    assert "\\" not in path
    assert path.isprintable()


@pytest.mark.parametrize(
    ("asked", "kept", "accepts", "chosen"),
    [
        ("en", "pt_BR", "pt", "en"), ("", "pt_BR", "en", "pt_BR"), ("", "", "fr, pt-PT;q=0.8, en", "pt_BR"),
        ("", "", "de, en-GB", "en"), ("", "", "de", "pt_BR"), ("xx", "xx", "", "pt_BR"),
    ],
)  # fmt: skip
def test_the_language_follows_the_reader(asked: str, kept: str, accepts: str, chosen: str) -> None:
    assert chosen_language(asked=asked, kept=kept, accepts=accepts, default="pt_BR") == chosen


def settings(tmp_path: Path, **environ: str) -> Settings:
    path = tmp_path / "c.yaml"
    path.write_text("{}\n")
    return load_settings(path, env_file=None, environ=environ)


def test_the_defaults_listen_on_this_machine_only(tmp_path: Path) -> None:
    web = settings(tmp_path).web
    assert (web.enabled, web.host, web.port, web.exposed, web.metrics_public) == (True, "127.0.0.1", 8321, False, False)
    assert settings(tmp_path).web_users_file == Path("data/web-users.json")
    assert settings(tmp_path).audit_file == Path("data/logs/audit.jsonl")


@pytest.mark.parametrize(
    ("environ", "exposed"),
    [
        ({"VIGIA_WEB__HOST": "0.0.0.0"}, True),  # noqa: S104 - a setting
        ({"VIGIA_WEB__HOST": "::1"}, False),
        ({"VIGIA_WEB__HOST": "localhost"}, False),
        ({"VIGIA_WEB__HOST": "192.168.0.7"}, True),
        ({"VIGIA_WEB__HOST": "0.0.0.0", "VIGIA_WEB__BEHIND_TLS": "true"}, False),  # noqa: S104
        ({"VIGIA_WEB__HOST": "::", "VIGIA_WEB__TLS_CERT": "c.pem", "VIGIA_WEB__TLS_KEY": "k.pem"}, False),
    ],
)
def test_whoever_listens_in_clear_to_others_is_exposed(
    tmp_path: Path, environ: Mapping[str, str], exposed: bool
) -> None:
    assert settings(tmp_path, **environ).web.exposed is exposed


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("VIGIA_WEB__HOST", "http://x", "web.host"),
        ("VIGIA_WEB__PORT", "70000", "web.port"),
        ("VIGIA_WEB__TLS_CERT", "c.pem", "web.tls_key is missing"),
        ("VIGIA_WEB__NAMES", "https://vigia.example", "web.names"),
        ("VIGIA_WEB__TRUSTED_PROXIES", "10.0.0.5/24", "web.trusted_proxies"),
        ("VIGIA_WEB__TRUSTED_PROXIES", "proxy.example", "web.trusted_proxies"),
        ("VIGIA_WEB__METRICS_TOKEN", "t00-short", "16 or more"),
        ("VIGIA_WEB__METRICS_TOKEN", "t00 long but with spaces", "16 or more"),
        ("VIGIA_WEB__SESSION_HOURS", "0", "web.session_hours"),
    ],
)
def test_settings_that_cannot_be_are_told_without_secrets(tmp_path: Path, variable: str, value: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(tmp_path, **{variable: value})
    assert told in str(refused.value)
    assert "t00" not in str(refused.value)


def test_the_token_is_hidden_and_a_change_of_the_port_needs_a_restart(tmp_path: Path) -> None:
    ours = settings(tmp_path, VIGIA_WEB__METRICS_TOKEN="a-token-of-24-characters")
    assert "a-token-of-24" not in repr(ours)
    assert ours.redacted_dump()["web"]["metrics_token"] == "***"
    assert without_secrets(ours).web.metrics_token is None  # a worker process has no use for it
    assert restart_keys(Settings(), settings(tmp_path, VIGIA_WEB__PORT="9000")) == ["web.port"]


Messages = list[dict[str, object]]


def told_over(socket_of: SessionStore, token: str, incoming: Messages, *, between: Callable[[], None]) -> Messages:
    """What goes out of a guarded socket whose application answers each message, and what it receives at last."""
    out: Messages = []

    async def send(message: MutableMapping[str, object]) -> None:
        out.append(dict(message))

    async def receive() -> MutableMapping[str, object]:
        return incoming.pop(0)

    async def talk() -> None:
        guarded = GuardedSocket(receive, send, sessions=socket_of, token=token)
        await guarded.receive()
        await guarded.send({"type": "websocket.accept"})
        await guarded.send({"type": "websocket.send", "text": "first"})
        between()
        out.append(dict(await guarded.receive()) if incoming else {})
        await guarded.send({"type": "websocket.send", "text": "second"})
        await guarded.send({"type": "websocket.close", "code": 1000})

    asyncio.run(talk())
    return out


CONNECT: dict[str, object] = {"type": "websocket.connect"}
CLOSED = {"type": "websocket.close", "code": 1008, "reason": ""}


def test_a_web_socket_ends_with_its_session(users: UserFile, clock: SimClock) -> None:
    store = SessionStore(users, clock=clock, idle_s=60.0, absolute_s=600.0)
    token, _ = store.open(some_user(users), address="a")
    said: dict[str, object] = {"type": "websocket.receive", "text": "42[]"}
    whole = told_over(store, token, [CONNECT, said], between=lambda: clock.advance(50.0))
    assert [m["type"].split(".")[1] for m in whole] == ["accept", "send", "receive", "send", "close"]  # type: ignore[attr-defined]
    assert store.find(token, used=False) is not None
    clock.advance(50.0)
    assert store.find(token, used=False) is not None  # what was said counted as use
    ended = told_over(store, token, [CONNECT, said], between=lambda: store.close(token))
    assert ended[2:] == [CLOSED, {"type": "websocket.disconnect", "code": 1008, "reason": ""}]


def test_pings_keep_no_session_alive_and_nothing_goes_out_afterwards(users: UserFile, clock: SimClock) -> None:
    store = SessionStore(users, clock=clock, idle_s=60.0, absolute_s=600.0)
    token, _ = store.open(some_user(users), address="a")
    clock.advance(40.0)
    ping: dict[str, object] = {"type": "websocket.receive", "text": "2"}
    out = told_over(store, token, [CONNECT, ping], between=lambda: None)
    assert [m["type"] for m in out][-1] == "websocket.close"
    clock.advance(30.0)
    assert store.find(token, used=False) is None
    token, _ = store.open(some_user(users), address="a")
    out = told_over(store, token, [CONNECT], between=lambda: store.close(token))
    assert out == [{"type": "websocket.accept"}, {"type": "websocket.send", "text": "first"}, {}, CLOSED]
