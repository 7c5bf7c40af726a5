"""Every variable is read here, once; what cannot be read is told all at once, and no key of a provider is shown."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pointsman import settings
from pointsman.settings import BadSetting, Settings, described, unknown

SECRET = "sk-canary-7391"


def test_defaults_need_nothing() -> None:
    settings = Settings.read({})

    assert settings == Settings(
        listen="127.0.0.1:50051",
        rules=Path("rules"),
        server="127.0.0.1:50051",
        reflection=False,
        grace_s=60.0,
        longest_call_s=120.0,
        environment={},
    )


def test_a_user_without_a_home_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(number: int) -> None:
        raise KeyError(number)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)

    assert settings._cache_dir() == Path(".cache/pointsman")


GO_TOGETHER = (
    ("POINTSMAN_TLS_CERT", "POINTSMAN_TLS_KEY", "POINTSMAN_TLS_CLIENT_CA"),
    ("POINTSMAN_JWT_JWKS", "POINTSMAN_JWT_ISSUER", "POINTSMAN_JWT_AUDIENCE"),
    ("POINTSMAN_CLIENT_CERT", "POINTSMAN_CLIENT_KEY"),
)


READ: list[tuple[str, str, str, object]] = [
    ("POINTSMAN_LISTEN", "0.0.0.0:0", "listen", "0.0.0.0:0"),
    ("POINTSMAN_LISTEN", "[::1]:65535", "listen", "[::1]:65535"),
    ("POINTSMAN_TRANSPORT", "native", "transport", "native"),
    ("POINTSMAN_RULES", "/etc/pointsman/rules", "rules", Path("/etc/pointsman/rules")),
    ("POINTSMAN_SERVER", "pointsman.example:443", "server", "pointsman.example:443"),
    *(("POINTSMAN_REFLECTION", text, "reflection", True) for text in ("1", "true", "yes", "on", "TRUE", "On")),
    *(("POINTSMAN_REFLECTION", text, "reflection", False) for text in ("0", "false", "no", "off", "", "False")),
    ("POINTSMAN_CACHE_DIR", "/var/cache/pointsman", "cache_dir", Path("/var/cache/pointsman")),
    ("POINTSMAN_STATE_DIR", "/var/lib/pointsman", "state_dir", Path("/var/lib/pointsman")),
    ("POINTSMAN_STATE_DIR", "none", "state_dir", None),
    ("POINTSMAN_STATE_DIR", "", "state_dir", None),
    ("POINTSMAN_GRACE_S", "2.5", "grace_s", 2.5),
    ("POINTSMAN_ANONYMOUS_TENANT", "dev", "anonymous_tenant", "dev"),
    ("POINTSMAN_MOST_CALLS", "50", "most_calls", 50),
    ("POINTSMAN_CACHE_MB", "64", "cache_mb", 64),
    ("POINTSMAN_TLS_CERT", "/tls/cert.pem", "tls_cert", Path("/tls/cert.pem")),
    ("POINTSMAN_TLS_KEY", "/tls/key.pem", "tls_key", Path("/tls/key.pem")),
    ("POINTSMAN_TLS_CLIENT_CA", "/tls/ca.pem", "tls_client_ca", Path("/tls/ca.pem")),
    ("POINTSMAN_HEALTH_LISTEN", "0.0.0.0:50052", "health_listen", "0.0.0.0:50052"),
    ("POINTSMAN_METRICS_LISTEN", "0.0.0.0:9464", "metrics_listen", "0.0.0.0:9464"),
    ("POINTSMAN_JWT_JWKS", "/jwt/jwks.json", "jwt_jwks", Path("/jwt/jwks.json")),
    ("POINTSMAN_JWT_ISSUER", "https://id.corp", "jwt_issuer", "https://id.corp"),
    ("POINTSMAN_JWT_AUDIENCE", "pointsman", "jwt_audience", "pointsman"),
    ("POINTSMAN_JWT_ALGORITHMS", "ES256, EdDSA", "jwt_algorithms", ("ES256", "EdDSA")),
    ("POINTSMAN_KEY_VARS", "OPENAI_KEY *_TOKEN", "key_vars", ("OPENAI_KEY", "*_TOKEN")),
    ("POINTSMAN_KEYS_DIR", "/secrets", "keys_dir", Path("/secrets")),
    ("POINTSMAN_UPSTREAM_HOSTS", "api.openai.com,*.corp", "upstream_hosts", ("api.openai.com", "*.corp")),
    ("POINTSMAN_ESTIMATOR", "/own/estimator.bin", "estimator", Path("/own/estimator.bin")),
    ("POINTSMAN_API_KEY", "pm_x", "api_key", "pm_x"),
    ("POINTSMAN_SERVER_CA", "/tls/ca.pem", "server_ca", Path("/tls/ca.pem")),
    ("POINTSMAN_SERVER_NAME", "pointsman.corp", "server_name", "pointsman.corp"),
    ("POINTSMAN_CLIENT_CERT", "/tls/me.pem", "client_cert", Path("/tls/me.pem")),
    ("POINTSMAN_CLIENT_KEY", "/tls/me.key", "client_key", Path("/tls/me.key")),
    ("POINTSMAN_VALKEY_URL", "", "valkey_url", ""),
    *(
        ("POINTSMAN_VALKEY_URL", url, "valkey_url", url)
        for url in (
            "valkey://10.0.0.7",
            "redis://u:p%40@cache.corp:6379/2",
            "rediss://[::1]:6380",
            "valkeys://c?ssl_ca_certs=/ca.pem",
            "unix:///run/valkey.sock",
        )
    ),
    ("POINTSMAN_ALLOW_CONTENT_CAPTURE", "1", "allow_content_capture", True),
    ("POINTSMAN_RECORDS_MB", "0", "records_mb", 0),
    ("POINTSMAN_RECORDS_MB", "1000", "records_mb", 1000),
    ("POINTSMAN_RECORD_LABELS", "team, desk", "record_labels", ("team", "desk")),
    ("POINTSMAN_REPLICAS", "3", "replicas", 3),
    ("POINTSMAN_LONGEST_CALL_S", "86399", "longest_call_s", 86399.0),
    ("POINTSMAN_CONNECTION_AGE_S", "60", "connection_age_s", 60.0),
    ("POINTSMAN_LEAVE_S", "0.5", "leave_s", 0.5),
]


@pytest.mark.parametrize(("variable", "text", "name", "value"), READ)
def test_a_variable_is_read(variable: str, text: str, name: str, value: object) -> None:
    companions = {other: "x" for others in GO_TOGETHER for other in others if variable in others}

    assert getattr(Settings.read(companions | {variable: text}), name) == value


def test_a_variable_that_looks_like_a_setting_and_is_none_is_known_with_what_was_meant() -> None:
    environment = {"POINTSMAN_STAT_DIR": "x", "POINTSMAN_STATE_DIR": "x", "POINTSMAN_PORT_50051_TCP": "x", "POINTSMAN_SERVICE_HOST": "x"}

    assert unknown(environment) == {"POINTSMAN_STAT_DIR": "did you mean 'POINTSMAN_STATE_DIR'?"}


def test_the_table_above_reads_every_variable() -> None:
    assert {row[0] for row in READ} == {name for name, _, _, _ in described()}


BAD = [
    ("POINTSMAN_LISTEN", "50051", "expected HOST:PORT"),
    ("POINTSMAN_LISTEN", ":50051", "expected HOST:PORT"),
    ("POINTSMAN_LISTEN", "localhost:", "expected HOST:PORT"),
    ("POINTSMAN_LISTEN", "localhost:http", "expected HOST:PORT"),
    ("POINTSMAN_LISTEN", "localhost:-1", "expected HOST:PORT"),
    ("POINTSMAN_LISTEN", "localhost:65536", "expected HOST:PORT"),
    ("POINTSMAN_LISTEN", "", "expected HOST:PORT"),
    ("POINTSMAN_SERVER", "localhost", "expected HOST:PORT"),
    ("POINTSMAN_REFLECTION", "maybe", "expected one of 1, true, yes, on, 0, false, no, off"),
    ("POINTSMAN_GRACE_S", "0", "more than 0"),
    ("POINTSMAN_GRACE_S", "-1", "more than 0"),
    ("POINTSMAN_GRACE_S", "nan", "more than 0"),
    ("POINTSMAN_GRACE_S", "inf", "less than a day"),
    ("POINTSMAN_LONGEST_CALL_S", "86400", "less than a day"),
    ("POINTSMAN_LONGEST_CALL_S", "2 minutes", "expected seconds"),
    ("POINTSMAN_ANONYMOUS_TENANT", "a b", "expected letters"),
    *(("POINTSMAN_MOST_CALLS", text, "expected a whole number, 1 to 100000") for text in ("0", "-1", "1e3", "100001", "")),
    ("POINTSMAN_JWT_ALGORITHMS", "HS256", "expected some of RS256"),
    ("POINTSMAN_JWT_ALGORITHMS", "none", "expected some of RS256"),
    ("POINTSMAN_HEALTH_LISTEN", "50052", "expected HOST:PORT"),
    ("POINTSMAN_TRANSPORT", "rust", "expected grpcio or native"),
]


@pytest.mark.parametrize(("variable", "text", "says"), BAD)
def test_a_value_that_cannot_be_used_is_told_with_what_was_expected(variable: str, text: str, says: str) -> None:
    with pytest.raises(BadSetting) as refused:
        Settings.read({variable: text})

    assert str(refused.value).startswith(f"{variable}={text!r}: ")
    assert says in str(refused.value)


@pytest.mark.parametrize(("variable", "text"), [("POINTSMAN_LISTEN", "localhost:²"), ("POINTSMAN_GRACE_S", "soon")])
def test_what_was_expected_is_said_in_our_words(variable: str, text: str) -> None:
    """Not in those of Python's conversion functions."""
    with pytest.raises(BadSetting, match="expected "):
        Settings.read({variable: text})


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(BadSetting) as refused:
        Settings.read({"POINTSMAN_LISTEN": "x", "POINTSMAN_GRACE_S": "0", "POINTSMAN_REFLECTION": "?", "POINTSMAN_RULES": "fine"})

    assert [part.partition("=")[0] for part in str(refused.value).split("; ")] == [
        "POINTSMAN_LISTEN",
        "POINTSMAN_REFLECTION",
        "POINTSMAN_GRACE_S",
    ]


@pytest.mark.parametrize("variables", GO_TOGETHER)
def test_what_means_something_together_only_is_given_together(variables: tuple[str, ...]) -> None:
    for variable in variables:
        with pytest.raises(BadSetting, match=r"go together|needs TLS_CERT"):
            Settings.read({variable: "x"})


def test_native_is_refused_beside_what_it_leaves_to_a_proxy() -> None:
    environment = {"POINTSMAN_TLS_CERT": "c", "POINTSMAN_TLS_KEY": "k", "POINTSMAN_CONNECTION_AGE_S": "60", "POINTSMAN_TLS_CLIENT_CA": ""}

    assert not Settings.read(environment).is_native
    with pytest.raises(BadSetting) as refused:
        Settings.read(environment | {"POINTSMAN_TRANSPORT": "native"})

    assert str(refused.value) == "; ".join(
        f"POINTSMAN_TRANSPORT=native leaves {name} to the proxy before it: take that away, or use grpcio"
        for name in ("POINTSMAN_TLS_CERT", "POINTSMAN_TLS_KEY", "POINTSMAN_CONNECTION_AGE_S")
    )


def test_a_key_is_shown_neither_in_settings_nor_in_what_is_wrong_with_it() -> None:
    assert SECRET not in repr(Settings.read({"POINTSMAN_API_KEY": SECRET}))
    with pytest.raises(BadSetting, match="POINTSMAN_API_KEY: expected printable ASCII") as refused:
        Settings.read({"POINTSMAN_API_KEY": f"{SECRET} \n"})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "10.0.0.7:6379",
        "http://:{secret}@cache",
        "valkey://:{secret}@",
        "valkey://:{secret}@cache:port",
        "valkey://:{secret}@cache:0",
        "valkey://:{secret}/odd@cache",
        "valkey://:{secret}#odd@cache",
        "valkey://cache/tenants",
        "valkey://cache?password={secret}",
        "valkey://[{secret}",
        "unix://",
    ],
)
def test_an_address_of_a_valkey_that_cannot_be_used_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(BadSetting, match=r"POINTSMAN_VALKEY_URL: expected valkey://") as refused:
        Settings.read({"POINTSMAN_VALKEY_URL": url.format(secret=SECRET)})

    assert SECRET not in str(refused.value)
    assert SECRET not in repr(Settings.read({"POINTSMAN_VALKEY_URL": f"valkey://:{SECRET}@cache"}))


def test_the_environment_is_handed_on_and_never_shown() -> None:
    """Keys of providers are in it; settings end up in logs and tracebacks."""
    environment = {"SOME_API_KEY": SECRET, "POINTSMAN_GRACE_S": "3"}

    settings = Settings.read(environment)

    assert settings.environment["SOME_API_KEY"] == SECRET
    assert SECRET not in repr(settings) + str(settings)


def test_the_environment_is_copied() -> None:
    environment = {"SOME_API_KEY": "old"}
    settings = Settings.read(environment)

    environment["SOME_API_KEY"] = "new"

    assert settings.environment["SOME_API_KEY"] == "old"


def test_no_secret_is_told_when_another_variable_is_wrong() -> None:
    with pytest.raises(BadSetting) as refused:
        Settings.read({"SOME_API_KEY": SECRET, "POINTSMAN_GRACE_S": "0"})

    assert SECRET not in str(refused.value)


def test_the_process_has_an_environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_LISTEN", "127.0.0.1:7")

    assert Settings.read().listen == "127.0.0.1:7"


def test_every_setting_is_described_with_its_default() -> None:
    settings: Any = Settings()
    found = {name: (parse, default, says) for name, parse, default, says in described()}

    assert set(found) == {f"POINTSMAN_{field.name.upper()}" for field in fields(Settings)} - {"POINTSMAN_ENVIRONMENT"}
    for name, (parse, default, says) in found.items():
        assert getattr(settings, name.removeprefix("POINTSMAN_").lower()) == default
        shown = " ".join(default) if isinstance(default, tuple) else str(default)
        assert parse(shown) == default  # what is shown as the default can be set
        assert says.endswith(".")
