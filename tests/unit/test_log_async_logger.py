"""The life of the asynchronous logger, with its real worker thread; tests meet it by events and by ``stop``."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.i18n import catalogue, set_language
from vigia.infrastructure.logging import AsyncLogger, Line, get_logger
from vigia.infrastructure.logging.loggers import VigiaLogger

STARTED = "✓ AsyncLogger iniciado (queue size: 10000)"
STOPPED = "✓ AsyncLogger parado"


class Collector:
    """A sink that keeps what it gets."""

    name = "collector"

    def __init__(self, level_min: int = logging.INFO) -> None:
        self.level_min = level_min
        self.lines: list[Line] = []
        self.closed = 0
        self.threads: set[str] = set()
        self.got = threading.Event()

    def write(self, lines: Sequence[Line]) -> None:
        assert not self.closed
        self.lines.extend(lines)
        self.threads.add(threading.current_thread().name)
        self.got.set()

    def close(self) -> None:
        self.closed += 1

    @property
    def messages(self) -> list[str]:
        return [line.message for line in self.lines]


class Gated(Collector):
    """A sink that hangs until it is let go."""

    name = "gated"

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def write(self, lines: Sequence[Line]) -> None:
        self.entered.set()
        assert self.let_go.wait(timeout=20)
        super().write(lines)


class Stepwise(Collector):
    """A sink that waits for a permit before each write, and says that it waits."""

    name = "stepwise"

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Semaphore(0)
        self.permits = threading.Semaphore(0)

    def write(self, lines: Sequence[Line]) -> None:
        self.entered.release()
        assert self.permits.acquire(timeout=20)
        super().write(lines)


class Failing(Collector):
    """A sink that fails as long as it is told to."""

    name = "failing"

    def __init__(self) -> None:
        super().__init__()
        self.broken = True
        self.failed = threading.Event()

    def write(self, lines: Sequence[Line]) -> None:
        if self.broken:
            self.failed.set()
            raise OSError("no space left, token=s3cr3t")
        super().write(lines)


Make = Callable[..., AsyncLogger]


@pytest.fixture(autouse=True)
def _portuguese() -> Iterator[None]:
    before = catalogue._Active.state
    set_language("pt_BR")
    yield
    catalogue._Active.state = before


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[AsyncLogger] = []

    def build(*sinks: Collector, queue_size: int = 10_000, secrets: tuple[str, ...] = ()) -> AsyncLogger:
        logger = AsyncLogger(sinks, clock=SystemClock(), queue_size=queue_size, secrets=secrets)
        made.append(logger)
        return logger

    yield build
    for logger in made:
        logger.detach()


def _fail(error: Exception) -> None:
    raise error


def test_from_start_to_stop_the_lines_are_as_the_operator_knows_them(make: Make) -> None:
    sink = Collector()
    log = make(sink)
    log.start()
    get_logger("memory").info("GC #%d: %d objects collected", 1, 245)
    get_logger("tracks").info("Event %d associated with track %d by IoU (%.3f)", 1, 1, 0.85)
    assert log.stop()
    assert sink.messages == [
        STARTED,
        "GC #1: 245 objetos coletados",
        "Evento 1 associado ao track 1 por IoU (0.850)",
        STOPPED,
    ]
    assert sink.closed == 1
    assert sink.threads == {"async-logger"}
    assert [line.logger for line in sink.lines] == ["vigia.logging", "vigia.memory", "vigia.tracks", "vigia.logging"]
    assert log.stats.queued == log.stats.dropped == log.stats.sink_errors == log.stats.misfits == 0
    assert log.stats.written == 2


def test_start_and_stop_are_idempotent(make: Make) -> None:
    sink = Collector()
    log = make(sink)
    log.start()
    log.start()
    assert log.stop()
    assert log.stop()
    log.start()  # too late, and no error
    assert sink.messages == [STARTED, STOPPED]
    assert sink.closed == 1


def test_what_was_logged_before_the_start_is_written_after_it(make: Make) -> None:
    sink = Collector()
    log = make(sink)
    get_logger("config").warning("early")
    assert sink.lines == []
    log.start()
    log.stop()
    assert sink.messages == [STARTED, "early", STOPPED]


def test_a_logger_that_was_never_started_still_writes_at_its_stop(make: Make) -> None:
    sink = Collector()
    log = make(sink)
    get_logger("config").warning("early")
    assert log.stop()
    assert sink.messages == ["early", STOPPED]


def test_what_is_logged_after_the_stop_goes_to_standard_error(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    sink = Collector()
    log = make(sink)
    log.start()
    log.stop()
    get_logger("late").info("GC #%d: %d objects collected", 2, 3)
    get_logger("late").error("token=%s", "s3cr3t")
    assert sink.messages[-1] == STOPPED
    shown = capsys.readouterr().err
    assert "vigia: INFO GC #2: 3 objetos coletados\n" in shown
    assert "vigia: ERRO token=***\n" in shown


def test_the_worker_writes_by_itself(make: Make) -> None:
    sink = Collector()
    log = make(sink)
    log.start()
    assert sink.got.wait(timeout=20)
    sink.got.clear()
    get_logger("x").info("on its own")
    assert sink.got.wait(timeout=20)
    assert "on its own" in sink.messages


def test_each_sink_gets_its_levels_and_the_logger_follows_the_lowest(make: Make) -> None:
    detailed, brief = Collector(logging.DEBUG), Collector(logging.WARNING)
    log = make(detailed, brief)
    log.start()
    get_logger("x").debug("a detail")
    get_logger("x").warning("warning")
    log.stop()
    assert detailed.messages == [STARTED, "a detail", "warning", STOPPED]
    assert brief.messages == ["warning"]
    assert get_logger("x").isEnabledFor(logging.DEBUG)


def test_below_every_sinks_level_nothing_is_even_queued(make: Make) -> None:
    log = make(Collector(logging.WARNING))
    get_logger("x").info("unwanted")
    assert log.stats.queued == 0
    log.start()
    get_logger("x").info("unwanted")
    get_logger("x").log(logging.INFO, "unwanted")
    log.stop()
    assert log.stats.written == 0


def test_all_ways_to_log_arrive(make: Make) -> None:
    sink = Collector(logging.DEBUG)
    log = make(sink)
    logger = get_logger("x")
    log.start()
    logger.debug("debug %d", 1)
    logger.info("info %d", 2)
    logger.warning("warning %d", 3)
    logger.error("error %d", 4)
    logger.critical("critical %d", 5)
    logger.log(logging.INFO, "log %d", 6)
    logger.info("named %(n)d", {"n": 7})
    logger.info("extra", extra={"camera": "gate"})
    logger.warning("stack", stack_info=True)
    try:
        _fail(ValueError("why"))
    except ValueError:
        logger.exception("exception %d", 8)
    log.stop()
    assert sink.messages[1:-1] == [
        "debug 1", "info 2", "warning 3", "error 4", "critical 5", "log 6", "named 7", "extra", "stack", "exception 8",
    ]  # fmt: skip
    assert dict(sink.lines[8].extra) == {"camera": "gate"}
    assert "test_all_ways_to_log_arrive" in sink.lines[9].exc
    assert "ValueError: why" in sink.lines[10].exc
    assert sink.lines[10].level == "ERROR"


def test_plain_loggers_of_the_application_layer_arrive_too(make: Make) -> None:
    sink = Collector()
    log = make(sink)
    log.start()
    logging.getLogger("vigia.made_by_plain_logging").info("plain")
    log.stop()
    assert "plain" in sink.messages


def test_a_handler_or_filter_that_is_added_later_is_not_passed_by(make: Make) -> None:
    sink = Collector()
    log = make(sink)
    log.start()
    assert VigiaLogger.route is log.handler
    seen: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())  # type: ignore[method-assign]  # a spy
    logger = get_logger("watched")
    logger.addHandler(handler)
    try:
        logger.info("both %d", 1)
    finally:
        logger.removeHandler(handler)
    logger.addFilter(only := logging.Filter("nothing"))
    try:
        logger.info("filtered")
    finally:
        logger.removeFilter(only)
    log.stop()
    assert seen == ["both 1"]
    assert sink.messages == [STARTED, "both 1", STOPPED]


def test_formatting_and_translation_are_the_workers(make: Make) -> None:
    sink = Gated()
    log = make(sink)
    log.start()
    assert sink.entered.wait(timeout=20)  # the worker is busy: what is logged now it formats later
    get_logger("x").info("GC #%d: %d objects collected", 1, 2)
    set_language("en")
    sink.let_go.set()
    log.stop()
    assert sink.messages == [STARTED, "GC #1: 2 objects collected", "✓ AsyncLogger stopped"]
    assert sink.threads == {"async-logger"}


def test_a_failing_sink_is_counted_shown_once_and_disturbs_nobody(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, fine = Failing(), Collector()
    log = make(broken, fine)
    log.start()
    assert broken.failed.wait(timeout=20)
    for number in range(3):
        fine.got.clear()
        get_logger("x").info("line %d", number)
        assert fine.got.wait(timeout=20)
    assert log.stop()
    assert fine.messages == [STARTED, "line 0", "line 1", "line 2", STOPPED]
    assert log.stats.sink_errors >= 4
    shown = capsys.readouterr().err
    assert shown.count("failing falhou") == 1
    assert "token=***" in shown
    assert "s3cr3t" not in shown


def test_a_sink_that_works_again_says_how_much_it_lost(make: Make) -> None:
    sink = Failing()
    log = make(sink)
    log.start()
    assert sink.failed.wait(timeout=20)
    sink.broken = False
    get_logger("x").info("again")
    log.stop()
    assert sink.messages == ["1 registros se perderam aqui: o destino de log failing havia falhado", "again", STOPPED]


def test_when_the_queue_is_full_records_are_dropped_counted_and_told(make: Make) -> None:
    sink = Gated()
    log = make(sink, queue_size=20)
    log.start()
    assert sink.entered.wait(timeout=20)  # the worker is in the sink now, and takes nothing out
    for number in range(30):
        get_logger("x").info("info %d", number)
    for number in range(5):
        get_logger("x").error("error %d", number)
    assert (log.stats.queued, log.stats.dropped) == (20, 12 + 3)
    sink.let_go.set()
    assert log.stop()
    assert sink.messages[1:21] == [f"info {n}" for n in range(18)] + ["error 0", "error 1"]
    assert sink.messages[-1] == STOPPED
    notices = [line for line in sink.lines if "descartados desde" in line.message]
    assert [line.message.split(" registros")[0] for line in notices] == ["15"]
    assert notices[0].levelno == logging.WARNING


def test_drops_are_told_again_only_when_there_are_new_ones(make: Make) -> None:
    sink = Gated()
    log = make(sink, queue_size=10)
    log.start()
    assert sink.entered.wait(timeout=20)
    for _ in range(2):
        get_logger("x").info("one")
    sink.let_go.set()
    assert log.stop()
    assert not [line for line in sink.lines if "descartados" in line.message]


def test_a_hanging_sink_does_not_hang_the_stop(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    sink = Gated()
    log = make(sink)
    log.start()
    assert sink.entered.wait(timeout=20)
    for number in range(7):
        get_logger("x").info("line %d", number)
    assert not log.stop(timeout_s=0.01)
    assert not log.stop()
    assert "o log não foi escrito a tempo: 7 registros se perderam" in capsys.readouterr().err
    get_logger("x").error("afterwards")
    assert "ERRO afterwards" in capsys.readouterr().err
    sink.let_go.set()


def test_what_is_logged_while_the_rest_is_written_comes_before_the_last_line(make: Make) -> None:
    sink = Stepwise()
    log = make(sink)
    log.start()
    assert sink.entered.acquire(timeout=20)  # in the write of the first line
    get_logger("x").info("one")
    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(log.stop, timeout_s=20.0)
        while not log._service.stopping:
            pass
        sink.permits.release()
        assert sink.entered.acquire(timeout=20)  # in the write of "one": still an ordinary step
        get_logger("x").info("two")
        sink.permits.release()
        assert sink.entered.acquire(timeout=20)  # in the write of "two": the last batch, as far as anybody knew
        get_logger("x").info("three")
        sink.permits.release(10)
        assert stopped.result(timeout=20)
    assert sink.messages == [STARTED, "one", "two", "three", STOPPED]


def test_callers_are_not_kept_by_a_hanging_sink(make: Make) -> None:
    sink = Gated()
    log = make(sink, queue_size=100)
    log.start()
    assert sink.entered.wait(timeout=20)
    for number in range(5000):  # would wait for ever if anything waited
        get_logger("x").info("line %d", number)
    assert log.stats.dropped == 5000 - 90
    sink.let_go.set()
    log.stop()


def test_secrets_are_blanked_in_messages_arguments_and_tracebacks(make: Make) -> None:
    sink = Collector()
    log = make(sink, secrets=("open-sesame",))
    log.start()
    get_logger("x").info("cannot open rtsp://admin:pa55@cam/1")
    get_logger("x").info("headers %s", {"Authorization": "Token 0123456789abcdef"})
    get_logger("x").info("it is open-sesame")
    try:
        _fail(OSError("rtsp://admin:pa55@cam/1 refused open-sesame"))
    except OSError:
        get_logger("x").exception("failed")
    log.stop()
    told = "\n".join(f"{line.message} {line.exc} {line.msgid}" for line in sink.lines)
    assert "***" in told
    for secret in ("pa55", "0123456789abcdef", "open-sesame"):
        assert secret not in told


def test_detach_gives_the_logger_back() -> None:
    root = get_logger()
    before = (root.level, root.propagate, list(root.handlers))
    log = AsyncLogger([Collector(logging.DEBUG)], clock=SystemClock())
    log.start()
    assert not root.propagate
    log.detach()
    assert (root.level, root.propagate, list(root.handlers)) == before
    assert VigiaLogger.route is None


def test_only_one_at_a_time_and_a_stopped_one_makes_room(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = Collector(), Collector()
    log = make(first)
    with pytest.raises(RuntimeError, match="in use"):
        AsyncLogger([second], clock=SystemClock())
    log.start()
    log.stop()
    successor = make(second)
    successor.start()
    get_logger("x").info("for the second")
    successor.stop()
    assert first.messages == [STARTED, STOPPED]
    assert second.messages == [STARTED, "for the second", STOPPED]
    assert capsys.readouterr().err == ""


def test_many_threads_lose_nothing(make: Make) -> None:
    sink = Collector()
    log = make(sink)
    log.start()
    barrier = threading.Barrier(4)

    def work(thread: int) -> None:
        barrier.wait(timeout=20)
        for number in range(500):
            get_logger("x").info("%d-%d", thread, number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert log.stop()
    assert sorted(sink.messages[1:-1]) == sorted(f"{t}-{n}" for t in range(4) for n in range(500))
    assert log.stats.dropped == 0


def test_a_queue_that_is_too_short_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="too short"):
        AsyncLogger([], clock=SystemClock(), queue_size=9)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("outbox", "vigia.outbox"),
        ("vigia", "vigia"),
        ("", "vigia"),
        ("vigia.a.b", "vigia.a.b"),
        ("vigiax", "vigia.vigiax"),
    ],
)
def test_logger_names(name: str, full: str) -> None:
    logger = get_logger(name)
    assert logger.name == full
    assert logger is logging.getLogger(full)
    assert isinstance(logger, VigiaLogger)


def test_times_are_when_it_was_logged_not_when_it_was_written(make: Make) -> None:
    sink = Gated()
    log = make(sink)
    log.start()
    assert sink.entered.wait(timeout=20)
    get_logger("x").info("then")
    logged_by_ns = time.time_ns()
    sink.let_go.set()
    log.stop()
    then = next(line for line in sink.lines if line.message == "then")
    assert then.created_s <= logged_by_ns / 1e9
