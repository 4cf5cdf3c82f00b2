"""The command line. Each command translates its arguments, calls one thing and prints the answer; no rules here."""

import asyncio
import os
import socket
import sys
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import structlog
import uvloop

from event_issuer.app import open_access, open_database_of
from event_issuer.domain.access import EVERYTHING, Action, Policy, check_pattern
from event_issuer.domain.errors import BadInput, IssuerError
from event_issuer.domain.time import to_rfc3339
from event_issuer.graphql.schema import sdl
from event_issuer.resolvers.access import CONSOLE
from event_issuer.roles import Role
from event_issuer.security.sealing import new_sealing_key
from event_issuer.serving import Place, serve_until_stopped
from event_issuer.settings import PREFIX, Settings, load_settings, settings_page
from event_issuer.telemetry.logs import configure_logging
from event_issuer.workers import serve_by_workers

SCHEMA_FILE: Final = Path("schema.graphql")
Answer = TypeVar("Answer")


class Refused(click.ClickException):
    """A refusal as the console shows it: one line, and exit status 1."""

    exit_code = 1


def main() -> None:
    """The entry point. Refusals of whatever command are told the same way."""
    try:
        commands(standalone_mode=False)
    except IssuerError as refusal:
        _fail(Refused(f"{refusal.title}: {refusal.detail}"))
    except click.ClickException as error:
        _fail(error)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)


def _fail(error: click.ClickException) -> None:
    error.show()
    sys.exit(error.exit_code)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="event-issuer", prog_name="event-issuer")
def commands() -> None:
    """Webhooks out, GraphQL in, CloudEvents everywhere.

    Settings come from the environment (EVENT_ISSUER_…), a .env file and the TOML file that EVENT_ISSUER_FILE names;
    `event-issuer settings` lists them.
    """


@commands.command()
@click.option("--once", is_flag=True, help="End by itself when the file of events has been delivered.")
def demo(once: bool) -> None:
    """Watch events flow from a mutation to a signed webhook, in a temporary folder."""
    from event_issuer.demo.run import run  # the demo is no part of a server

    configure_logging("error", "console")
    sys.exit(_run(run(once)))


def _take_log(_: click.Context, __: click.Parameter, url: str | None) -> None:
    if url is not None:
        os.environ[f"{PREFIX}LOG_URL"] = url  # where the workers, which are processes of their own, find it too


_with_log = click.option(
    "--log",
    metavar="URL",
    expose_value=False,
    callback=_take_log,
    help="Where events are, instead of EVENT_ISSUER_LOG_URL: embedded (in the database) or kafka://host:port,host:port.",
)


@commands.command()
@click.option(
    "--workers", type=click.IntRange(1, 64), help="Processes that share the port and the work, instead of one."
)
@_with_log
def serve(workers: int | None) -> None:
    """Serve the API and deliver webhooks, until SIGTERM or Ctrl-C."""
    settings = _settings()
    count = workers or settings.workers
    if count > 1:
        _run(serve_by_workers(settings, count, click.echo))
    else:
        _run(serve_until_stopped(settings, click.echo))


@commands.command()
@_with_log
def api() -> None:
    """Serve the API only; `deliver` processes send what is produced."""
    _run(serve_until_stopped(_settings(), click.echo, Place(Role.API)))


@commands.command()
@_with_log
def deliver() -> None:
    """Deliver webhooks only. Any number of such processes share the work."""
    _run(serve_until_stopped(_settings(), click.echo, Place(Role.DELIVER)))


@commands.command(hidden=True)
@click.option("--socket", "descriptor", type=int, required=True)
@click.option("--number", type=int, required=True)
@click.option("--owner", required=True)
def worker(descriptor: int, number: int, owner: str) -> None:
    """One of the processes of `serve --workers`, which starts it with its socket and keeps its standard input open."""
    settings = _settings()
    structlog.contextvars.bind_contextvars(worker=number)
    with socket.socket(fileno=descriptor) as listener:
        _run(serve_until_stopped(settings, click.echo, Place(worker=number, owner=owner), listener))


@commands.command()
def migrate() -> None:
    """Bring the database to the tables of this program. `serve` does so too."""
    settings = _settings()

    async def run() -> None:
        async with open_database_of(settings):
            pass  # opening it migrates it

    _run(run())
    click.echo("The database is up to date.")


@commands.command()
@click.option("--check", is_flag=True, help="Compare with schema.graphql instead, and fail where they differ.")
def schema(check: bool) -> None:
    """Print the GraphQL schema."""
    text = sdl()
    if not check:
        click.echo(text, nl=False)
    elif not SCHEMA_FILE.is_file() or SCHEMA_FILE.read_text("utf-8") != text:
        raise Refused(f"{SCHEMA_FILE} is not the schema of this program; `make schema` writes it anew.")


@commands.command()
def settings() -> None:
    """Print every setting with its meaning and default, as docs/settings.md has them."""
    click.echo(settings_page(), nl=False)


@commands.group()
def key() -> None:
    """Make, list and revoke keys."""


@key.command("seal")
def key_seal() -> None:
    """Print a new sealing key for EVENT_ISSUER_SEALING_KEY. Nothing is stored."""
    click.echo(new_sealing_key())


@key.command("create")
@click.option("--tenant", required=True, help="The tenant; it is made if there is none of that name.")
@click.option("--principal", required=True, help="The principal within it; it is made likewise.")
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="ACTION=EVENT_TYPE",
    help="A policy for the principal, such as CONSUME=cloud.open.* (repeatable). "
    f"Actions: {', '.join(Action)}. Event types: a name, a prefix ending in .*, or *.",
)
@click.option("--operator", is_flag=True, help="Allow every action on every event type.")
@click.option(
    "--expires-in-days", type=click.IntRange(min=1), help="The key's life; without it the key does not expire."
)
def key_create(
    tenant: str, principal: str, allowed: Sequence[str], operator: bool, expires_in_days: int | None
) -> None:
    """Print a new API key for a principal of a tenant. It is shown this once."""
    policies = [_policy(text) for text in allowed]
    if operator:
        policies += [Policy(action, EVERYTHING) for action in Action]
    expires_in_s = None if expires_in_days is None else int(timedelta(days=expires_in_days).total_seconds())

    async def run(settings: Settings) -> str:
        async with open_access(settings) as access:
            return (await access.create_key(CONSOLE, tenant, principal, policies, expires_in_s)).key

    click.echo(_run(run(_settings())))


@key.command("list")
def key_list() -> None:
    """List the keys: how they begin, whose they are, and whether they are in force."""

    async def run(settings: Settings) -> list[str]:
        async with open_access(settings) as access:
            return [
                f"{found.prefix}…  {found.tenant}/{found.principal}  created {to_rfc3339(found.created_at)}"
                + (f"  expires {to_rfc3339(found.expires_at)}" if found.expires_at is not None else "")
                + (f"  revoked {to_rfc3339(found.revoked_at)}" if found.revoked_at is not None else "")
                for found in await access.keys(CONSOLE)
            ]

    for line in _run(run(_settings())):
        click.echo(line)


@key.command("revoke")
@click.argument("prefix")
def key_revoke(prefix: str) -> None:
    """Revoke the key that begins with PREFIX, as `key list` shows it. It ends within a second."""

    async def run(settings: Settings) -> None:
        async with open_access(settings) as access:
            await access.revoke_key(CONSOLE, prefix.removesuffix("…"))

    _run(run(_settings()))
    click.echo(f"{prefix} is revoked.")


def _policy(text: str) -> Policy:
    action, _, event_type = text.partition("=")
    if action not in Action.__members__:
        raise BadInput(f"{text!r:.80} is no policy: ACTION=EVENT_TYPE, where ACTION is one of {', '.join(Action)}.")
    return Policy(Action[action], check_pattern(event_type))


def _settings() -> Settings:
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    return settings


def _run(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


if __name__ == "__main__":  # a worker, whose program may be in no folder of the PATH
    main()
