"""The command line as a user meets it: real processes, their output and their exit status."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from event_issuer.db.migrate import MIGRATIONS
from event_issuer.security.sealing import new_sealing_key, parse_sealing_key
from event_issuer.settings import settings_page

ROOT = Path(__file__).parents[1]
WAIT_S = 60


class Program:
    """`event-issuer` in a folder of its own, with nothing in its environment but what a test sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", "from event_issuer.cli import main; main()", *arguments]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.run_command(self.command(*arguments))

    def run_command(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with sqlite3.connect(self.folder / "event-issuer.db") as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_help_names_every_command(program: Program) -> None:
    shown = program.run("--help")
    assert shown.returncode == 0
    for command in ("api", "deliver", "demo", "key", "migrate", "schema", "serve", "settings"):
        assert f"\n  {command} " in shown.stdout
    assert "\n  worker " not in shown.stdout  # only `serve` starts it
    for arguments in (["serve"], ["key"], ["key", "create"], ["demo"]):
        assert program.run(*arguments, "-h").returncode == 0


def test_an_unknown_command_is_refused(program: Program) -> None:
    refused = program.run("send")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "No such command 'send'" in refused.stderr


def test_settings_and_schema_are_printed(program: Program) -> None:
    assert program.run("settings").stdout == settings_page()
    schema = program.run("schema")
    assert schema.stdout == (ROOT / "schema.graphql").read_text("utf-8")
    refused = program.run("schema", "--check")
    assert refused.returncode == 1
    assert "schema.graphql is not the schema of this program; `make schema` writes it anew." in refused.stderr
    (program.folder / "schema.graphql").write_text(schema.stdout)
    assert program.run("schema", "--check").returncode == 0


def test_a_sealing_key_is_new_each_time(program: Program) -> None:
    first, second = program.run("key", "seal").stdout.strip(), program.run("key", "seal").stdout.strip()
    assert len({parse_sealing_key(first), parse_sealing_key(second)}) == 2
    assert os.listdir(program.folder) == []


def test_keys_are_made_listed_and_revoked(program: Program) -> None:
    made = program.run("key", "create", "--tenant", "acme", "--principal", "robot", "--allow", "CONSUME=cloud.open.*")
    key = made.stdout.strip()
    assert (made.returncode, key[:4], len(key)) == (0, "eik_", 47)
    assert program.rows("SELECT action, event_type FROM policies") == [("CONSUME", "cloud.open.*")]
    listed = program.run("key", "list").stdout
    assert listed.startswith(f"{key[:12]}…  acme/robot  created 20")
    assert key not in listed
    assert program.run("key", "revoke", key[:12]).returncode == 0
    assert "revoked" in program.run("key", "list").stdout
    again = program.run("key", "revoke", key[:12])
    assert (again.returncode, "No key in force begins with" in again.stderr) == (1, True)
    actions = "SELECT action, object_kind FROM audit_entries ORDER BY id"
    assert program.rows(actions) == [
        ("create", "tenant"),
        ("create", "principal"),
        ("grant", "policy"),
        ("create", "api key"),
        ("revoke", "api key"),
    ]


def test_an_operator_may_do_everything(program: Program) -> None:
    arguments = ("key", "create", "--tenant", "ops", "--principal", "root", "--operator")
    for _ in range(2):
        assert program.run(*arguments, "--expires-in-days", "1").returncode == 0
    assert program.rows("SELECT count(*), count(DISTINCT action) FROM policies WHERE event_type = '*'") == [(6, 6)]
    assert program.rows("SELECT expires_at_us - created_at_us FROM api_keys") == [(86_400_000_000,)] * 2
    assert program.rows("SELECT count(*) FROM tenants") == [(1,)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tenant", "graphql", "--principal", "p"], "A tenant cannot be named graphql"),
        (["--tenant", "Acme", "--principal", "p"], "'Acme' cannot name a tenant"),
        (["--tenant", "acme", "--principal", "p", "--allow", "READ=*"], "'READ=*' is no policy: ACTION=EVENT_TYPE"),
        (["--tenant", "acme", "--principal", "p", "--allow", "CONSUME"], "'' names no event types"),
        (["--tenant", "acme", "--principal", "p", "--allow", "CONSUME=a.*.b"], "'a.*.b' names no event types"),
    ],
)
def test_a_bad_key_is_refused(program: Program, arguments: list[str], message: str) -> None:
    refused = program.run("key", "create", *arguments)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    if (program.folder / "event-issuer.db").exists():
        assert program.rows("SELECT * FROM principals") == []


def test_serve_wants_a_sealing_key_and_a_free_port(program: Program) -> None:
    refused = program.run("serve")
    assert refused.returncode == 1
    assert "EVENT_ISSUER_SEALING_KEY is not set; `event-issuer key seal` makes one." in refused.stderr
    program.environment["EVENT_ISSUER_SEALING_KEY"] = "c2hvcnQ="
    assert "The sealing key is 32 random bytes in base64" in program.run("serve").stderr
    assert "c2hvcnQ=" not in program.run("serve").stderr
    program.environment["EVENT_ISSUER_SEALING_KEY"] = new_sealing_key()
    program.environment["EVENT_ISSUER_DATABASE_URL"] = "mysql://root:s3cret@db/x"
    refused = program.run("serve")
    assert (refused.returncode, "s3cret" in refused.stderr) == (1, False)
    assert "the database URL is of no known kind" in refused.stderr


@pytest.mark.parametrize("command", ["serve", "api", "deliver"])
def test_a_log_that_is_none_is_refused(program: Program, command: str) -> None:
    program.environment["EVENT_ISSUER_SEALING_KEY"] = new_sealing_key()
    program.environment["EVENT_ISSUER_LOG_URL"] = "embedded"
    refused = program.run(command, "--log", "redis://here")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "EVENT_ISSUER_LOG_URL: String should match pattern" in refused.stderr


def test_serve_says_when_it_may_not_open_enough_files(program: Program) -> None:
    program.environment["EVENT_ISSUER_SEALING_KEY"] = new_sealing_key()
    limited = ["bash", "-c", 'ulimit -n 1000; exec "$@"', "limited", *program.command("serve")]
    refused = subprocess.run(
        limited,
        cwd=program.folder,
        env=program.environment,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "This process may open 1000 files; EVENT_ISSUER_CONNECTIONS_MAX and 512 others make 2560." in refused.stderr
    assert os.listdir(program.folder) == []


def test_migrate_makes_the_tables_once(program: Program) -> None:
    for _ in range(2):
        assert program.run("migrate").stdout == "The database is up to date.\n"
    assert program.rows("SELECT version FROM schema_migrations") == [(one.VERSION,) for one in MIGRATIONS]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_cleanly_on_a_signal(program: Program, number: signal.Signals) -> None:
    program.environment |= {"EVENT_ISSUER_SEALING_KEY": new_sealing_key(), "EVENT_ISSUER_PORT": "0"}
    program.environment["EVENT_ISSUER_METRICS_PORT"] = "0"
    server = program.start("serve")
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line.startswith("Serving on http://127.0.0.1:")
    port = line.split(":")[2].split(";")[0]
    program.environment["EVENT_ISSUER_PORT"] = port
    taken = program.run("serve")
    assert (taken.returncode, "cannot be listened on: Address already in use" in taken.stderr) == (1, True)
    server.send_signal(number)
    output, errors = server.communicate(timeout=WAIT_S)
    assert (server.returncode, output, errors) == (0, "", "")
    assert os.listdir(program.folder) == ["event-issuer.db"]  # no WAL is left: the database was closed
    assert program.rows("SELECT owner FROM leases") == []


def test_serve_by_workers_ends_cleanly_and_migrates_once(program: Program) -> None:
    program.environment |= {"EVENT_ISSUER_SEALING_KEY": new_sealing_key(), "EVENT_ISSUER_PORT": "0"}
    server = program.start("serve", "--workers", "2")
    assert server.stdout is not None
    line = server.stdout.readline()
    assert " by 2 workers; GraphiQL is at http://127.0.0.1:" in line
    server.send_signal(signal.SIGTERM)
    output, errors = server.communicate(timeout=WAIT_S)
    assert (server.returncode, output, errors) == (0, "", "")
    assert os.listdir(program.folder) == ["event-issuer.db"]
    assert program.rows("SELECT owner FROM processes") == []


def test_workers_end_when_their_parent_is_killed(program: Program) -> None:
    program.environment |= {"EVENT_ISSUER_SEALING_KEY": new_sealing_key(), "EVENT_ISSUER_PORT": "0"}
    server = program.start("serve", "--workers", "2")
    assert server.stdout is not None
    assert " by 2 workers" in server.stdout.readline()
    server.kill()
    output, errors = server.communicate(timeout=WAIT_S)  # until nobody holds standard error any more
    assert (server.returncode, output, errors) == (-signal.SIGKILL, "", "")
    assert program.rows("SELECT owner FROM processes") == []


def test_a_worker_that_cannot_start_ends_serve(program: Program) -> None:
    refused = program.run("serve", "--workers", "2")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.count("EVENT_ISSUER_SEALING_KEY is not set") == 1


@pytest.mark.parametrize(
    ("command", "greeting"), [("api", "Serving on http://127.0.0.1:"), ("deliver", "Delivering; http://127.0.0.1:")]
)
def test_api_and_deliver_are_ready_and_end_cleanly(program: Program, command: str, greeting: str) -> None:
    program.environment |= {"EVENT_ISSUER_SEALING_KEY": new_sealing_key(), "EVENT_ISSUER_HEALTH_PORT": "0"}
    program.environment |= {"EVENT_ISSUER_PORT": "0", "EVENT_ISSUER_PUBLIC_URL": "https://issuer.example.com"}
    process = program.start(command)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(greeting)
    url = f"http://127.0.0.1:{line.split(':')[2].split('/')[0].split(';')[0]}"
    while (ready := httpx.get(f"{url}/readyz", trust_env=False)).status_code != 200:
        assert ready.json() == {"status": "unavailable", "failing": ["delivery"]}  # it has yet to claim its leases
    assert httpx.get(f"{url}/graphql", trust_env=False).status_code == (401 if command == "api" else 404)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=WAIT_S)  # a look before the first lease was claimed may have been logged
    assert (process.returncode, output) == (0, "")
    assert os.listdir(program.folder) == ["event-issuer.db"]


def test_deliver_wants_to_know_the_address_of_the_api(program: Program) -> None:
    program.environment |= {"EVENT_ISSUER_SEALING_KEY": new_sealing_key(), "EVENT_ISSUER_PORT": "0"}
    refused = program.run("deliver")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "`deliver` cannot know the API's address" in refused.stderr
    assert os.listdir(program.folder) == []
