"""``vigia web``: who may log in to the web pages."""

import sys
from typing import Annotated

import typer
from rich.table import Table

from vigia.application.errors import ConfigurationError
from vigia.bootstrap.web_entry import FirstPassword, forget_first_password, user_file
from vigia.cli.options import ConfigOption, EnvFileOption, JsonOption, SetOption, read_settings
from vigia.cli.outbox_view import print_json
from vigia.cli.tables import add_row, print_table
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE
from vigia.infrastructure.i18n import mark, translate
from vigia.infrastructure.web.users import FIRST_USER, Role

TITLES = (mark("user"), mark("role"), mark("password of"))

app = typer.Typer(no_args_is_help=True, help="The web pages: users and passwords.")


@app.command("passwd")
def passwd(
    *,
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="Whose; made where there is none.")] = FIRST_USER,
    role: Annotated[Role | None, typer.Option("--role", help="What that user may do; a new one looks only.")] = None,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    overrides: SetOption = None,
) -> int:
    """Give a user a new password: asked for twice on a terminal, else the first line of the input."""
    settings = read_settings(config, env_file=env_file, overrides=overrides)
    chosen = role if role is not None or user != FIRST_USER else _first_role(user_file(settings).find(user) is None)
    made = user_file(settings).set_password(user, _password(), role=chosen, now_utc=SystemClock().utc())
    forget_first_password(settings, made.name)
    typer.echo(
        translate("%(user)s (%(role)s) has a new password; who was logged in by that name is out")
        % {"user": made.name, "role": made.role.value}
    )
    return 0


@app.command("users")
def users(
    *,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> int:
    """List who may log in."""
    found = user_file(read_settings(config, env_file=env_file, overrides=overrides)).users()
    if as_json:
        rows = [{"user": one.name, "role": one.role.value, "changed_utc": one.changed_utc} for one in found]
        print_json({"users": rows})
    else:
        table = Table(*(translate(title) for title in TITLES), box=None, padding=(0, 2))
        for one in found:
            add_row(table, (one.name, one.role.value, one.changed_utc[:19].replace("T", " ")))
        print_table(table)
    return 0


def tell_first_password(first: FirstPassword) -> None:
    """Show it once, on the screen, which no log file keeps; or say where it is."""
    if first.file is not None:
        text = translate(
            "Web page: log in as %(user)s; the password is in %(file)s, until it has been used (vigia web passwd)"
        ) % {"user": FIRST_USER, "file": first.file}
    else:
        text = translate(
            "Web page: log in as %(user)s with the password %(password)s (shown only now; vigia web passwd)"
        ) % {"user": FIRST_USER, "password": first.password}
    typer.echo(text, err=True)


def _first_role(is_new: bool) -> Role | None:
    return Role.OPERATOR if is_new else None


def _password() -> str:
    """From the terminal, typed twice; from a pipe, its first line."""
    if sys.stdin.isatty():
        return str(typer.prompt(translate("New password"), hide_input=True, confirmation_prompt=True, err=True))
    line = sys.stdin.readline(4096)
    if not line:
        raise ConfigurationError("there is no password in the input: write it on one line")
    return line.rstrip("\r\n")
