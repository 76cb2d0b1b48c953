"""The few pages of our own: the log-in, and what is there without a dashboard. No script, nothing from outside."""

from html import escape

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.sessions import Session
from vigia.infrastructure.web.texts import say

LOG_IN = mark("Log in")
USER = mark("User")
PASSWORD = mark("Password")
WRONG = mark("User or password is wrong.")
LOCKED = mark("Too many attempts. Try again in %(minutes)d min.")
EXPIRED = mark("The page was open for too long. Try again.")
LOG_OUT = mark("Log out")
WELCOME = mark("You are logged in as %(user)s (%(role)s).")
STARTING = mark("vigia is starting, and waits for FindFace or for its outbox. This page goes on by itself.")
ROLES = {"viewer": mark("viewer"), "operator": mark("operator")}
TONGUES = {"pt_BR": "Português", "en": "English"}

CSS = """\
:root { color-scheme: light dark; --back: #f4f5f7; --card: #fff; --ink: #1c2430; --soft: #5b6675; --line: #ccd3dc;
  --act: #0b5fae; --on-act: #fff; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --back: #12161c; --card: #1b2129; --ink: #e6eaf0; --soft: #9aa6b5;
  --line: #3a4553; --act: #62a8ee; --on-act: #08131f; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; padding: 1rem; }
main { width: 100%; max-width: 22rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
  padding: 1.75rem 1.5rem; }
h1 { margin: 0 0 1.25rem; font-size: 1.5rem; letter-spacing: .02em; }
label { display: block; margin: 0 0 1rem; color: var(--soft); font-size: .9rem; }
input { display: block; width: 100%; margin-top: .25rem; padding: .7rem .75rem; font: inherit; color: var(--ink);
  background: var(--back); border: 1px solid var(--line); border-radius: .5rem; }
input:focus, button:focus, a:focus { outline: 3px solid var(--act); outline-offset: 1px; }
button { width: 100%; padding: .75rem; font: inherit; font-weight: 600; color: var(--on-act); background: var(--act);
  border: 0; border-radius: .5rem; cursor: pointer; }
.bad { color: var(--bad); margin: 0 0 1rem; }
nav { margin-top: 1.25rem; display: flex; gap: 1rem; justify-content: center; font-size: .9rem; }
nav a { color: var(--soft); padding: .25rem; }
"""


def login_page(*, language: str, token: str, then: str, problem: str = "", user: str = "") -> str:
    """The log-in.

    Args:
        language: ``pt_BR`` or ``en``.
        token: goes back with the form, and has to be the cookie's.
        then: path to go to afterwards.
        problem: a text in that language.
        user: as typed before.
    """
    told = f'<p class="bad" role="alert">{escape(problem)}</p>' if problem else ""
    return _page(
        language,
        say(LOG_IN, language),
        f"""{told}<form method="post" action="/login">
<input type="hidden" name="token" value="{escape(token)}"><input type="hidden" name="next" value="{escape(then)}">
<label>{escape(say(USER, language))}
<input name="user" value="{escape(user)}" autocomplete="username" autocapitalize="none" maxlength="64" required></label>
<label>{escape(say(PASSWORD, language))}
<input name="password" type="password" autocomplete="current-password" maxlength="256" required></label>
<button>{escape(say(LOG_IN, language))}</button></form>
<nav>{_tongues(language)}</nav>""",
    )


def home_page(*, language: str, session: Session) -> str:
    """Who is logged in, and the way out; where a dashboard sits at ``/``, nobody sees it."""
    facts = {"user": session.user, "role": say(ROLES[session.role.value], language)}
    return _page(
        language,
        "vigia",
        f"""<p>{escape(say(WELCOME, language) % facts)}</p>
<form method="post" action="/logout"><input type="hidden" name="token" value="{escape(session.csrf)}">
<button>{escape(say(LOG_OUT, language))}</button></form>
<nav><a href="/api/status">status</a> <a href="/api/cameras">cameras</a> <a href="/metrics">metrics</a></nav>""",
    )


def waiting_page(*, language: str) -> str:
    """What is there before the run is: it asks again by itself."""
    again = '<meta http-equiv="refresh" content="5">'
    return _page(language, "vigia", f"<p>{escape(say(STARTING, language))}</p>", head=again)


def locked_text(wait_s: float, language: str) -> str:
    """How long to wait, in whole minutes."""
    return say(LOCKED, language) % {"minutes": max(1, -int(-wait_s // 60))}


def _tongues(language: str) -> str:
    return " ".join(
        f'<a href="/login?lang={key}" lang="{key.replace("_", "-")}">{name}</a>'
        for key, name in TONGUES.items()
        if key != language
    )


def _page(language: str, title: str, body: str, *, head: str = "") -> str:
    return f"""<!doctype html>
<html lang="{language.replace("_", "-")}"><head><meta charset="utf-8"><title>{escape(title)} · vigia</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/login.css">{head}
</head>
<body><main><h1>vigia</h1>{body}</main></body></html>"""
