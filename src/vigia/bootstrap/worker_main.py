"""The program of a worker process: ``python -m vigia.bootstrap.worker_main CONTROL CAPTURES PARENT``.

Started by ``infrastructure/process/worker.py`` with the numbers of two inherited sockets and the parent's process id.
It ends when the parent does: the kernel sees to that, and so does the control channel, which closes.
"""

import faulthandler
import logging
import os
import signal
import socket
import sys

from vigia.application.messages import ChannelClosed
from vigia.bootstrap.worker import EXIT_ORPHANED, News, work
from vigia.bootstrap.worker_task import WorkerTask
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.i18n import set_language
from vigia.infrastructure.logging import capture_library_logs
from vigia.infrastructure.logging.forwarding import LogForwarder
from vigia.infrastructure.process.channel import SocketChannel
from vigia.infrastructure.process.parent import end_with_parent

TASK_TIMEOUT_S = 30.0
PARENTS_OWN = ("vigia.memory", "vigia.orchestrator")
"""What these say at INFO an operator reads once, of the parent."""


def main(arguments: list[str]) -> int:
    """Read the task, do it, return the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # sent to all processes at once, as a rule: the parent decides the order
    control_fd, captures_fd, parent = (int(argument) for argument in arguments)
    end_with_parent(signal.SIGKILL, parent=parent)
    faulthandler.enable()
    clock = SystemClock()
    control = SocketChannel(socket.socket(fileno=control_fd), clock=clock)
    captures = SocketChannel(socket.socket(fileno=captures_fd), clock=clock)
    try:
        task = control.receive(TASK_TIMEOUT_S)
    except ChannelClosed:
        return EXIT_ORPHANED
    if not isinstance(task, WorkerTask):
        return EXIT_ORPHANED
    set_language(task.language)
    news = News(control, clock=clock)
    news.log = LogForwarder(
        task.name, level=task.log_level, queue_size=task.settings.log.queue_size, wake=news.service.wake
    )
    for name in PARENTS_OWN:
        logging.getLogger(name).setLevel(max(task.log_level, logging.WARNING))
    capture_library_logs(news.log.handler, clock=clock)
    news.service.start()
    return work(task, control=control, captures=captures, clock=clock, news=news)


if __name__ == "__main__":
    # Not by way of the interpreter's end, which would wait for threads that hang in native code.
    code = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(code)
