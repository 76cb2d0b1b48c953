"""Which outbox a vigia has, and what of its address is shown."""

import io
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from vigia.application.errors import ConfigurationError, OutboxUnavailable
from vigia.application.ports import Clock, ManagedOutbox
from vigia.application.retry import RetryPolicy
from vigia.bootstrap import outbox_choice
from vigia.bootstrap.outbox_choice import open_outbox, postgres_outbox, probe_outbox, settle_s, wait_for_outbox
from vigia.bootstrap.outbox_desk import outbox_desk, reseal_outbox
from vigia.bootstrap.parts import running_logger
from vigia.bootstrap.worker_crew import WorkerOptions, _task
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import FindfaceSettings, OutboxSettings, Settings, load_settings
from vigia.infrastructure.detection.registry import MODELS
from vigia.infrastructure.logging import get_logger
from vigia.infrastructure.outbox import SqliteOutbox
from vigia.infrastructure.outbox.postgres_address import PostgresAddress
from vigia.testing.sim_clock import SimClock

URL = "postgresql://vigia:s3cr%25t@db.example:5432/site?sslmode=require"
NOWHERE = "postgresql://vigia:s3cr%25t@/site?host=/nonexistent"


def settings_of(place: Path, url: str | None = None) -> Settings:
    return Settings(data_dir=place, outbox=OutboxSettings(url=None if url is None else SecretStr(url)))


def test_without_a_url_it_is_the_directory(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    outbox = open_outbox(settings, clock=SimClock())
    assert isinstance(outbox, SqliteOutbox)
    outbox.close()
    assert probe_outbox(settings) == str(tmp_path / "outbox")
    assert settle_s(settings) == RetryPolicy().settle_s


def test_a_url_comes_from_the_environment_and_is_not_shown(tmp_path: Path) -> None:
    environ = {"VIGIA_OUTBOX__URL": URL, "VIGIA_DATA_DIR": str(tmp_path)}
    settings = load_settings(env_file=None, environ=environ)
    assert settings.outbox.url is not None
    assert settings.outbox.url.get_secret_value() == URL
    for shown in (repr(settings), str(settings.redacted_dump()), settings.model_dump_json()):
        assert "s3cr" not in shown


@pytest.mark.parametrize("url", ["mysql://u:s3cret@h/db", "host=h password=s3cret", " postgresql://u:s3cret@h/db"])
def test_another_kind_of_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"outbox\.url.*must begin with postgresql://") as caught:
        load_settings(env_file=None, environ={"VIGIA_OUTBOX__URL": url})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "label", "secrets"),
    [
        (URL, "postgresql://db.example:5432/site", ("s3cr%25t", "s3cr%t")),
        ("postgresql://vigia@db/site", "postgresql://db/site", ()),
        ("postgres://u:p@a:1,[::1]:2/site", "postgresql://a:1,[::1]:2/site", ("p",)),
        ("postgresql://u:p@/site?host=/run/x", "postgresql:///site", ("p",)),
        ("postgresql://u:p/q@host/db", "postgresql://***", ()),
        ("postgresql://u:p@host:x/db", "postgresql://***", ()),
    ],
)
def test_what_of_an_address_is_shown_and_what_is_blanked(url: str, label: str, secrets: tuple[str, ...]) -> None:
    address = PostgresAddress(url)
    assert (address.label, str(address), address.secrets) == (label, label, secrets)
    assert url not in repr(address)


@pytest.fixture
def log_level() -> Iterator[None]:
    """Starting the logger sets the level; other tests shall find it as it was."""
    level = get_logger().level
    yield
    get_logger().setLevel(level)


@pytest.mark.usefixtures("log_level")
def test_the_password_is_blanked_in_the_log(tmp_path: Path) -> None:
    console = io.StringIO()
    with running_logger(settings_of(tmp_path, URL), clock=SystemClock(), console=console):
        get_logger("vigia.outbox").warning("the server says %s or %s", "s3cr%25t", "s3cr%t")
    assert "the server says *** or ***" in console.getvalue()


def test_a_worker_gets_no_url(tmp_path: Path) -> None:
    model = next(iter(MODELS.values()))
    task = _task(settings_of(tmp_path, URL), [], WorkerOptions(model=(model, tmp_path)), name="shard-0")
    assert task.settings.outbox.url is None


def test_a_doubtful_capture_of_a_shared_outbox_waits_until_findface_has_finished(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, URL).model_copy(update={"findface": FindfaceSettings(processing_max_s=40.0)})
    assert settle_s(settings) == 40.0
    settings = settings.model_copy(update={"findface": FindfaceSettings(processing_max_s=0.0)})
    assert settle_s(settings) == RetryPolicy().settle_s


@pytest.mark.parametrize("call", [postgres_outbox, lambda settings, **_: probe_outbox(settings)])
def test_without_the_driver_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Any) -> None:
    for name in [name for name in sys.modules if name.startswith("vigia.infrastructure.outbox.postgres_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"needs psycopg.*install vigia\[postgres\]"):
        call(settings_of(tmp_path, URL), clock=SimClock())


def test_a_server_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stop, tries = SimClock(), threading.Event(), []
    ready = SqliteOutbox(tmp_path, clock)

    def opened(_settings: Settings, *, clock: Clock) -> ManagedOutbox:
        tries.append(clock.mono_s())
        if len(tries) < 4:
            raise OutboxUnavailable("away")
        return ready

    monkeypatch.setattr(outbox_choice, "open_outbox", opened)
    assert wait_for_outbox(settings_of(tmp_path, URL), clock=clock, stop=stop) is ready
    assert [later - sooner for sooner, later in pairwise(tries)] == [1.0, 2.0, 4.0]
    stop.set()
    assert wait_for_outbox(settings_of(tmp_path, URL), clock=clock, stop=stop) is None
    ready.close()


def test_a_persons_commands_go_to_the_server_too(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, NOWHERE)
    for call in (lambda: outbox_desk(settings, clock=SimClock()), lambda: probe_outbox(settings)):
        with pytest.raises(OutboxUnavailable, match="cannot be reached"):
            call()
    with pytest.raises(ConfigurationError, match="not sealed anew"):
        reseal_outbox(settings, on_picture=lambda: None)
    assert not (tmp_path / "outbox").exists()
