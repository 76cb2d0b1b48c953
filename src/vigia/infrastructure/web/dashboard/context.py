"""What every page of the dashboard is given."""

from collections.abc import Callable
from dataclasses import dataclass

from vigia.application.gallery_view import GalleryView
from vigia.application.ports import Clock
from vigia.application.site_view import SiteView
from vigia.application.system_view import SystemView
from vigia.application.use_cases.operate import OperateUseCase
from vigia.infrastructure.web.sessions import Session
from vigia.infrastructure.web.texts import say
from vigia.infrastructure.web.users import Role


@dataclass(frozen=True, slots=True)
class DashboardParts:
    """What the pages read and do."""

    view: SiteView
    gallery: GalleryView
    system: SystemView
    operate: OperateUseCase
    clock: Clock
    language: Callable[[], str]
    """The operator's: of who has chosen none."""
    told_reason: Callable[[str, str], str]
    """A capture's reason, as it stands in the outbox, in a language."""
    still_in: Callable[[Session], bool]
    """Whether a session goes on: a page may outlive the one that it was opened in."""


@dataclass(frozen=True, slots=True)
class PageContext:
    """One page that somebody opened."""

    parts: DashboardParts
    session: Session
    language: str
    """Of this reader: ``pt_BR`` or ``en``."""

    @property
    def may_act(self) -> bool:
        """Whether this person may change something now. Asked where it is shown, and again where it is done."""
        return self.session.role is Role.OPERATOR and self.still_in

    @property
    def still_in(self) -> bool:
        """Whether the session that the page was opened in goes on."""
        return self.parts.still_in(self.session)

    def reason(self, text: str) -> str:
        """Why a capture was refused or given up, in the reader's language where it is known."""
        return self.parts.told_reason(text, self.language)

    def say(self, text: str, **facts: object) -> str:
        """A text of the catalogue in the reader's language, its ``%(name)s`` places filled in."""
        told = say(text, self.language)
        return told % facts if facts else told
