"""Settings: their sources, their refusals without values, and the page that documents them."""

import re
from pathlib import Path

import pytest

from event_issuer.domain.errors import SettingsInvalid
from event_issuer.settings import FILE_VARIABLE, PREFIX, Settings, load_settings, settings_page

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of this machine, and no `.env` in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in (FILE_VARIABLE, *(f"{PREFIX}{field.upper()}" for field in type(load_settings()).model_fields)):
        monkeypatch.delenv(name, raising=False)


def test_the_page_documents_every_setting() -> None:
    assert (ROOT / "docs/settings.md").read_text("utf-8") == settings_page()


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yaml", "docs/operations.md"])
def test_what_is_set_elsewhere_is_a_setting(file: str) -> None:
    named = set(re.findall(rf"{PREFIX}([A-Z_]+)", (ROOT / file).read_text("utf-8")))
    assert named
    assert named <= {field.upper() for field in Settings.model_fields}


def test_the_image_holds_what_is_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert ignored[0] == "*"
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == names
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_the_environment_wins_over_env_file_and_toml(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    toml = tmp_path / "issuer.toml"
    toml.write_text('port = 1\nhost = "10.0.0.1"\nlog_level = "error"\nallowed_networks = ["10.0.0.0/8"]\n')
    (tmp_path / ".env").write_text("EVENT_ISSUER_PORT=2\nEVENT_ISSUER_HOST=10.0.0.2\n")
    monkeypatch.setenv(FILE_VARIABLE, str(toml))
    monkeypatch.setenv("EVENT_ISSUER_PORT", "3")
    settings = load_settings()
    assert (settings.port, settings.host, settings.log_level) == (3, "10.0.0.2", "error")
    assert [str(network) for network in settings.allowed_networks] == ["10.0.0.0/8"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "99999", "EVENT_ISSUER_PORT: Input should be less than or equal to 65535"),
        ("ALLOWED_NETWORKS", '["10.0.0.0/33"]', "EVENT_ISSUER_ALLOWED_NETWORKS: Input is not a valid IPv"),
        ("ALLOWED_NETWORKS", "10.0.0.0/8", 'The settings cannot be read: error parsing value for field "allowed_netw'),
        ("PUBLIC_URL", "events.example.com", "EVENT_ISSUER_PUBLIC_URL: String should match pattern"),
        ("RETRY_DELAYS_S", "[-1]", "EVENT_ISSUER_RETRY_DELAYS_S: Input should be greater than or equal to 0"),
        ("LOG_LEVEL", "loud", "EVENT_ISSUER_LOG_LEVEL: Input should be 'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_faulty_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsInvalid) as refused:
        load_settings()
    assert refused.value.detail.startswith(message)


def test_every_faulty_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENT_ISSUER_PORT", "no")
    monkeypatch.setenv("EVENT_ISSUER_LEASE_S", "1")
    with pytest.raises(SettingsInvalid, match=r"EVENT_ISSUER_PORT: .*; EVENT_ISSUER_LEASE_S: "):
        load_settings()


def test_a_file_may_hold_no_other_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    toml = tmp_path / "issuer.toml"
    toml.write_text("prot = 1\n")
    monkeypatch.setenv(FILE_VARIABLE, str(toml))
    with pytest.raises(SettingsInvalid, match="EVENT_ISSUER_PROT: Extra inputs are not permitted"):
        load_settings()
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "missing.toml"))
    with pytest.raises(SettingsInvalid, match=r"EVENT_ISSUER_FILE names no file: .*missing\.toml"):
        load_settings()
    toml.write_text("port = \n")
    monkeypatch.setenv(FILE_VARIABLE, str(toml))
    with pytest.raises(SettingsInvalid, match="The settings cannot be read"):
        load_settings()


def test_secrets_are_not_shown() -> None:
    settings = load_settings(sealing_key="c2VjcmV0", database_url="postgresql://u:s3cret@db/x")
    assert "c2VjcmV0" not in repr(settings)
    assert "s3cret" not in repr(settings)
