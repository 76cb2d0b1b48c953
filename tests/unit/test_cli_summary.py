"""What a run came to, told to a person in both languages and to a program; the status while it runs."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

import pytest

from vigia.application import camera_pipeline, packet_queue
from vigia.application.camera_shard import ShardStatus
from vigia.application.orchestrator import RunStatus, SteadyFigures
from vigia.application.run_report import RunFacts, run_report
from vigia.application.use_cases.send_to_findface import DeliveryStats
from vigia.cli.run_command import finish
from vigia.cli.status_view import LABELS, LINE_INTERVAL_S, STATUS_TITLES, StatusView, print_summary
from vigia.domain.camera import CameraId
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import FilterReason, FrameFate, LedgerPage, TrackFate
from vigia.domain.passages import PassageKey, PassageReport
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.i18n import catalogue, set_language, translate

ESCAPE = "\x1b"

PORTUGUESE = """\
Livro-razão
  duração                                           60.2 s
  câmeras                                                8
  modelo                                   centerface, k=5
  quadros por segundo                                240.0
  quadros recebidos                                  14400
    vistos pelo detector                              2900
    decodificados, entre duas detecções              10100
    decodificados, sem movimento                      1390
    pulados                                              9
      fila cheia                                         7
      restantes na parada                                2
    corrompidos                                          1
  rostos                                              5321
  tracks encerrados                                     40
    capturados                                          33
    filtrados                                            6
      pequenos demais                                    4
      vistos poucas vezes                                2
    perdidos                                             1
  capturas gravadas                                     32
  capturas de execução anterior                          2
    entregues                                           30
    recusadas                                            2
    mortas, à espera de uma pessoa                       1
    esperando em disco                                   1
  capturas perdidas antes do disco                       1
  passagens entregues                        19/20 (95.0%)
  capturas por passagem                               1.05
  idade do quadro, p50 / p95 / p99         12 / 40 / 40 ms
  núcleos de processador em uso                       1.50
  memória                                           346 MB
O livro-razão fecha.
"""
ENGLISH = """\
Ledger
  duration                                      60.2 s
  cameras                                            8
  model                                centerface, k=5
  frames a second                                240.0
  frames received                                14400
    looked at by the detector                     2900
    decoded, between two detections              10100
    decoded, nothing moved                        1390
    skipped                                          9
      queue full                                     7
      left over at the stop                          2
    corrupt                                          1
  faces                                           5321
  tracks ended                                      40
    captured                                        33
    filtered                                         6
      too small                                      4
      seen too few times                             2
    lost                                             1
  captures committed                                32
  captures left by an earlier run                    2
    delivered                                       30
    refused                                          2
    dead, kept for a person                          1
    waiting on disk                                  1
  captures lost before the disk                      1
  passages delivered                     19/20 (95.0%)
  captures per passage                            1.05
  frame age, p50 / p95 / p99           12 / 40 / 40 ms
  processor cores used                            1.50
  memory                                        346 MB
The ledger balances.
"""


@pytest.fixture(autouse=True)
def _no_terminal_and_the_language_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)
    before = catalogue._Active.state
    yield
    catalogue._Active.state = before


def make_facts() -> RunFacts:
    ledger = LedgerPage(
        received=14400,
        frames=MappingProxyType(
            {
                FrameFate.DETECTED: 2900,
                FrameFate.TRACKED: 10100,
                FrameFate.QUIET: 1390,
                FrameFate.SKIPPED: 9,
                FrameFate.CORRUPT: 1,
            }
        ),
        skip_reasons=MappingProxyType({"queue_full": 7, "stopped": 2, "overload": 0}),
        tracks_started=40,
        tracks=MappingProxyType({TrackFate.CAPTURED: 33, TrackFate.FILTERED: 6, TrackFate.LOST: 1}),
        filter_reasons=MappingProxyType({"too_small": 4, "too_few_events": 2}),
        faces=5321,
    )
    status = RunStatus(
        elapsed_s=60.2,
        cameras=8,
        cameras_live=7,
        fps=239.6,
        ledger=ledger,
        committed=32,
        commit_waiting=0,
        delivery=DeliveryStats(delivered=30, refused=2, dead=1),
        unsent=1,
        shards=[ShardStatus(name=f"shard-{n}", cameras=4, k=k, waiting=0) for n, k in enumerate((4, 5))],
    )
    ages = DurationHistogram()
    for age_s in (0.012,) * 9 + (0.040,):
        ages.record(age_s)
    passages = PassageReport(
        truth=20,
        delivered=19,
        captures=20,
        small_captures=3,
        false_captures=0,
        unjudged=0,
        missed=(PassageKey(CameraId("1"), 0, 4),),
    )
    return RunFacts(
        status=status,
        ledger=ledger,
        steady=SteadyFigures(duration_s=50.0, frames=12_000),
        ages=ages,
        model="centerface",
        carried_over=2,
        lost=1,
        pending=1,
        cpu_s=90.3,
        rss_bytes=346_000_000,
        passages=passages,
    )


@pytest.mark.parametrize(("language", "told"), [("pt_BR", PORTUGUESE), ("en", ENGLISH)])
def test_the_summary_is_told_in_the_language_in_use(
    capsys: pytest.CaptureFixture[str], language: str, told: str
) -> None:
    set_language(language)
    print_summary(make_facts())
    assert capsys.readouterr() == (told, "")


def test_what_there_was_not_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    set_language("en")
    facts = make_facts()
    print_summary(replace(facts, status=replace(facts.status, elapsed_s=0.0), carried_over=0, passages=None))
    out = capsys.readouterr().out
    for text in ("earlier run", "passage", "processor", "overload"):
        assert text not in out


@pytest.mark.parametrize(
    ("language", "told"), [("pt_BR", "O livro-razão NÃO fecha."), ("en", "The ledger does NOT balance.")]
)
def test_a_ledger_that_does_not_balance_is_told(capsys: pytest.CaptureFixture[str], language: str, told: str) -> None:
    set_language(language)
    print_summary(replace(make_facts(), lost=0))
    assert capsys.readouterr().out.splitlines()[-1] == told


@pytest.mark.parametrize(("language", "label"), [("pt_BR", "Ainda em execução"), ("en", "Still running")])
def test_survivors_are_named_and_the_exit_code_says_so(
    capsys: pytest.CaptureFixture[str], language: str, label: str
) -> None:
    set_language(language)
    facts = make_facts()
    assert finish(facts, as_json=False) == 0
    assert capsys.readouterr().err == ""
    assert finish(replace(facts, survivors=("camera-3", "commit")), as_json=False) == 1
    assert capsys.readouterr().err == f"{label}: camera-3, commit\n"
    assert finish(replace(facts, survivors=("camera-3",)), as_json=True) == 1


@pytest.mark.parametrize(
    ("language", "told"), [("pt_BR", "Encerrada antes de iniciar."), ("en", "Stopped before it could start.")]
)
def test_a_run_that_never_started_failed(capsys: pytest.CaptureFixture[str], language: str, told: str) -> None:
    set_language(language)
    assert finish(None, as_json=True) == 1
    assert capsys.readouterr() == ("", told + "\n")


@pytest.mark.parametrize("language", ["pt_BR", "en"])
def test_json_is_one_line_and_the_same_in_every_language(capsys: pytest.CaptureFixture[str], language: str) -> None:
    set_language(language)
    facts = replace(make_facts(), model="modelo-ç", survivors=("sender-0",))
    assert finish(facts, as_json=True) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == run_report(facts)
    assert "modelo-ç" in line
    report = json.loads(line)
    assert report["frames"] == {
        "received": 14400, "detected": 2900, "tracked": 10100, "quiet": 1390, "skipped": 9, "corrupt": 1,
    }  # fmt: skip
    assert report["captures"]["delivered"] == 30
    assert report["passages"]["recall"] == 0.95
    assert report["frame_age_ms"] == pytest.approx({"p50": 12.0, "p95": 40.0, "p99": 40.0}, rel=0.05)
    assert report["cpu_cores"] == 1.5
    assert (report["balanced"], report["survivors"]) == (True, ["sender-0"])


def test_no_colours_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with StatusView() as view:
        view.update(make_facts().status)
    finish(replace(make_facts(), lost=0, survivors=("commit",)), as_json=False)
    finish(make_facts(), as_json=True)
    out, err = capsys.readouterr()
    assert ESCAPE not in out + err


def test_without_a_terminal_the_status_is_a_log_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    set_language("pt_BR")
    caplog.set_level(logging.INFO, logger="vigia.status")
    status = make_facts().status
    with StatusView() as view:
        for elapsed_s in (0.5, LINE_INTERVAL_S - 0.5, LINE_INTERVAL_S, 1.9 * LINE_INTERVAL_S, 2.0 * LINE_INTERVAL_S):
            view.update(replace(status, elapsed_s=elapsed_s))
    first, second = caplog.records
    assert (first.msg, first.args) == (second.msg, second.args)
    assert first.getMessage() == (
        "7 of 8 cameras live, 240 fps, 5321 faces, 32 captures, 30 delivered, 1 waiting, 9 skipped"
    )
    assert translate(str(first.msg)) % first.args == (
        "7 de 8 câmeras ao vivo, 240 fps, 5321 rostos, 32 capturas, 30 entregues, 1 esperando, 9 quadros pulados"
    )


@pytest.mark.parametrize(("language", "down"), [("pt_BR", "fora do ar"), ("en", "down")])
def test_on_a_terminal_the_status_is_a_table_that_is_cleared_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], language: str, down: str
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    set_language(language)
    status = make_facts().status
    failing = replace(status.delivery, down_since_utc=SystemClock().utc())
    with StatusView() as view:
        view.update(status)
        view.update(replace(status, delivery=failing))
    out, err = capsys.readouterr()
    assert out == ""
    assert ESCAPE in err
    assert "7/8" in err
    assert "4/5" in err
    assert down in err
    for title in STATUS_TITLES:
        assert translate(title) in err
    assert view._live is None


def test_every_end_and_every_reason_has_a_label_in_portuguese() -> None:
    set_language("pt_BR")
    skips = [
        camera_pipeline.NO_DECODER,
        camera_pipeline.NO_KEY_FRAME,
        camera_pipeline.OVERLOAD,
        camera_pipeline.STOPPED,
        packet_queue.QUEUE_FULL,
    ]
    for key in (*FrameFate, *TrackFate, *FilterReason, *skips):
        assert translate(LABELS[key]) != LABELS[key]


def test_a_reason_without_a_label_is_told_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    facts = make_facts()
    print_summary(replace(facts, ledger=replace(facts.ledger, skip_reasons=MappingProxyType({"sunspots": 9}))))
    assert ["sunspots", "9"] in [line.split() for line in capsys.readouterr().out.splitlines()]


def test_tracks_that_sent_several_shots_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    set_language("pt_BR")
    facts = make_facts()
    print_summary(replace(facts, ledger=replace(facts.ledger, further_captures=12)))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[lines.index("capturados 33") + 1] == "outras fotos desses 12"
