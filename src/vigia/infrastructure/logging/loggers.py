"""vigia's loggers: the standard library's own, with a short way into the queue.

Building a ``LogRecord`` and looking up the caller's file and line cost more than all the rest of a log call, and
vigia's messages are found by their id. So while an asynchronous logger runs, a call goes straight to its ``Route``;
the record's parts are put together by the worker. Whenever that would not be the same as the ordinary way (before the
start, after the stop, with ``extra``, with handlers or filters that somebody attached below ``vigia``) the ordinary
way is taken. Other libraries' loggers and the global switches of ``logging`` are not touched.
"""

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any, ClassVar, Protocol, TypeAlias

ROOT_NAME = "vigia"

_ExcInfo: TypeAlias = (
    bool
    | BaseException
    | tuple[type[BaseException], BaseException, TracebackType | None]
    | tuple[None, None, None]
    | None
)


class Route(Protocol):
    """The short way into a queue."""

    def put(self, name: str, level: int, msg: object, args: tuple[object, ...]) -> None:
        """Queue one message. Never blocks, never raises."""
        ...


class VigiaLogger(logging.Logger):
    """A logger that takes the short way while there is one, and never looks up its caller."""

    route: ClassVar[Route | None] = None
    """The way of all loggers below ``vigia``; set by :func:`open_route`."""

    def debug(self, msg: object, *args: object, **kwargs: Any) -> None:
        """As in the standard library."""
        route = VigiaLogger.route
        if route is None or kwargs:
            super().debug(msg, *args, **kwargs)
        elif self.isEnabledFor(logging.DEBUG):
            route.put(self.name, logging.DEBUG, msg, args)

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        """As in the standard library."""
        route = VigiaLogger.route
        if route is None or kwargs:
            super().info(msg, *args, **kwargs)
        elif self.isEnabledFor(logging.INFO):
            route.put(self.name, logging.INFO, msg, args)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """As in the standard library."""
        route = VigiaLogger.route
        if route is None or kwargs:
            super().log(level, msg, *args, **kwargs)
        elif self.isEnabledFor(level):
            route.put(self.name, level, msg, args)

    def findCaller(  # noqa: N802 - the standard library's name
        self, stack_info: bool = False, stacklevel: int = 1
    ) -> tuple[str, int, str, str | None]:
        """Nothing, at no cost; with ``stack_info`` the real thing."""
        if stack_info:
            return super().findCaller(stack_info, stacklevel)
        return "", 0, "", None

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802 - the standard library's name
        """As in the standard library; the short way is closed, because it would pass the handler by."""
        VigiaLogger.route = None
        super().addHandler(hdlr)

    def addFilter(self, filter: Any) -> None:  # noqa: A002, N802 - the standard library's names
        """As in the standard library; the short way is closed, because it would pass the filter by."""
        VigiaLogger.route = None
        super().addFilter(filter)

    def _log(
        self,
        level: int,
        msg: object,
        args: tuple[object, ...] | Mapping[str, object],
        exc_info: _ExcInfo = None,
        extra: Mapping[str, object] | None = None,
        stack_info: bool = False,
        stacklevel: int = 1,
    ) -> None:
        route = VigiaLogger.route
        if route is None or exc_info or extra or stack_info or not isinstance(args, tuple):
            super()._log(level, msg, args, exc_info, extra, stack_info, stacklevel)
        else:
            route.put(self.name, level, msg, args)


def get_logger(name: str = "") -> logging.Logger:
    """Return the logger ``vigia.<name>``: ``get_logger("outbox")`` → ``vigia.outbox``. Any thread.

    Args:
        name: a part's short name, or a full name that begins with ``vigia``; empty for ``vigia`` itself.
    """
    if not name:
        return _lightened(logging.getLogger(ROOT_NAME))
    return _lightened(logging.getLogger(name if _is_below_root(name) else f"{ROOT_NAME}.{name}"))


def open_route(route: Route, handler: logging.Handler) -> None:
    """Let all loggers below ``vigia`` take the short way, if ``handler`` at ``vigia`` is all that they would meet."""
    found = [get_logger()]
    for name, logger in list(logging.Logger.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and _is_below_root(name) and name != ROOT_NAME:
            found.append(_lightened(logger))
    attached = [h for logger in found for h in logger.handlers]
    plain = all(logger.propagate and isinstance(logger, VigiaLogger) for logger in found[1:])
    if attached == [handler] and plain and not found[0].propagate and not any(logger.filters for logger in found):
        VigiaLogger.route = route


def close_route(route: Route) -> None:
    """Back to the ordinary way, if ``route`` is the one in use."""
    if VigiaLogger.route is route:
        VigiaLogger.route = None


def _is_below_root(name: str) -> bool:
    return name == ROOT_NAME or name.startswith(f"{ROOT_NAME}.")


def _lightened(logger: logging.Logger) -> logging.Logger:
    if type(logger) is logging.Logger:  # nobody else's subclass
        logger.__class__ = VigiaLogger
    return logger
