"""Settings: every environment variable that Pointsman reads, once, with its default and a sentence. Nothing else reads the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pointsman.core.diagnostics import did_you_mean
from pointsman.core.rulefile import Trust
from pointsman.core.rulefile.documents.base import IDENTIFIER

PREFIX = "POINTSMAN_"

SHIPPED_HOSTS = (
    "api.openai.com",
    "api.anthropic.com",
    "generativelanguage.googleapis.com",
    "api.mistral.ai",
    "api.groq.com",
    "api.x.ai",
    "api.deepseek.com",
)
"""Those of the shipped catalog, and their like. Not `*`: then whoever edits models.yaml could have keys sent to himself."""

JWT_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Asymmetric ones only: with a shared secret, everyone who can verify could issue."""

TRANSPORTS = ("grpcio", "native")

_TOGETHER = (("tls_cert", "tls_key"), ("jwt_jwks", "jwt_issuer", "jwt_audience"), ("client_cert", "client_key"))

_LEFT_TO_A_PROXY = ("TLS_CERT", "TLS_KEY", "TLS_CLIENT_CA", "CONNECTION_AGE_S")
"""What the native transport cannot do."""

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


class BadSetting(ValueError):
    """A variable has a value that cannot be used."""


def _switch(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError(f"expected one of {', '.join(_TRUE + _FALSE[1:])}")
    return text.lower() in _TRUE


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise ValueError("expected seconds, more than 0 and less than a day")
    return seconds


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text) <= 100_000:
        raise ValueError("expected a whole number, 1 to 100000")
    return int(text)


def _count_or_none(text: str) -> int:
    if text == "0":
        return 0
    try:
        return _count(text)
    except ValueError:
        raise ValueError("expected a whole number, 0 to 100000") from None


def _transport(text: str) -> str:
    if text not in TRANSPORTS:
        raise ValueError(f"expected {' or '.join(TRANSPORTS)}")
    return text


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65_535:
        raise ValueError("expected HOST:PORT, as in 127.0.0.1:50051")
    return text


def _address_or_none(text: str) -> str:
    return _address(text) if text else ""


def _path(text: str) -> Path | None:
    return None if text.lower() in ("", "none") else Path(text)


def _name(text: str) -> str | None:
    if text and not re.fullmatch(IDENTIFIER, text):
        raise ValueError("expected letters, digits and . _ / -, at most 63")
    return None if text.lower() in ("", "none") else text


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


def _algorithms(text: str) -> tuple[str, ...]:
    if not text or not set(_words(text)) <= set(JWT_ALGORITHMS):
        raise ValueError(f"expected some of {', '.join(JWT_ALGORITHMS)}")
    return _words(text)


def _key(text: str) -> str:
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("expected printable ASCII without spaces")
    return text


def _valkey_url(text: str) -> str:
    """Return the address of a Valkey. What is wrong with it is told without quoting it: it may hold a password."""
    expected = "expected valkey://[USER:PASSWORD@]HOST[:PORT][/DB], valkeys:// for TLS, or unix:///PATH; what is odd in a password as %XX"
    try:
        url = urlsplit(text)
        is_whole = url.path.strip("/") != "" if url.scheme == "unix" else bool(url.hostname) and re.fullmatch(r"(/\d*)?", url.path)
        is_known = url.scheme in ("valkey", "valkeys", "redis", "rediss", "unix") and url.port != 0
    except ValueError:
        raise ValueError(expected) from None
    if text and not (is_known and is_whole and not url.fragment and set(parse_qs(url.query)) <= {"db", "ssl_ca_certs"}):
        raise ValueError(expected)
    return text


def _cache_dir() -> Path:
    """Return where programs of the user keep such things; in a container he may be a number without a home."""
    try:
        return Path("~/.cache/pointsman").expanduser()
    except RuntimeError:
        return Path(".cache/pointsman")


def _setting(default: Any, parse: Callable[[str], Any], says: str, *, secret: bool = False) -> Any:
    return field(default=default, repr=not secret, metadata={"parse": parse, "says": says, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one process."""

    listen: str = _setting("127.0.0.1:50051", _address, "Address to serve on; port 0 picks a free one.")
    transport: str = _setting(
        "grpcio", _transport, "What speaks HTTP/2: `grpcio`, or `native` for half the CPU behind a proxy of one's own."
    )
    rules: Path = _setting(Path("rules"), Path, "Rule directory, for every command.")
    anonymous_tenant: str | None = _setting(
        None, _name, "Without a tenants.yaml: who everybody is; needed to listen on more than the loopback."
    )
    tls_cert: Path | None = _setting(None, _path, "Certificate chain of the server, PEM: turns TLS on.")
    tls_key: Path | None = _setting(None, _path, "Private key of that certificate, PEM.")
    tls_client_ca: Path | None = _setting(None, _path, "Authorities of client certificates, PEM: every client must show one.")
    health_listen: str = _setting("", _address_or_none, "Address of health alone, in the clear; with TLS HOST:50052 by default.")
    metrics_listen: str = _setting("", _address_or_none, "Address of Prometheus metrics over HTTP, as in 0.0.0.0:9464.")
    jwt_jwks: Path | None = _setting(None, _path, "Public keys of the issuer of JSON Web Tokens, a JWKS file; read again when it changes.")
    jwt_issuer: str = _setting("", str, "`iss` of these tokens.")
    jwt_audience: str = _setting("", str, "`aud` of these tokens.")
    jwt_algorithms: tuple[str, ...] = _setting(("RS256", "ES256", "EdDSA"), _algorithms, "Algorithms that they may be signed with.")
    key_vars: tuple[str, ...] = _setting(("*_API_KEY",), _words, "Variables that models.yaml may name for keys of providers.")
    keys_dir: Path = _setting(Path("/var/run/secrets/pointsman"), Path, "Directory below which it may name files for them.")
    upstream_hosts: tuple[str, ...] = _setting(
        SHIPPED_HOSTS, _words, "Hosts that keys of providers may be sent to, http://HOST where without TLS; a * is any characters."
    )
    estimator: Path | None = _setting(None, _path, "Artifact of an estimator of one's own, in place of the one that ships.")
    api_key: str = _setting("", _key, "API key that the client sends.", secret=True)
    server_ca: Path | None = _setting(None, _path, "Authorities that the client trusts for the server, PEM: turns TLS on in the client.")
    server_name: str = _setting("", str, "Name that the server's certificate must have, where the address is another; turns TLS on, too.")
    client_cert: Path | None = _setting(None, _path, "Certificate chain that the client shows, PEM.")
    client_key: Path | None = _setting(None, _path, "Private key of that certificate, PEM.")
    server: str = _setting("127.0.0.1:50051", _address, "Address that the client calls.")
    reflection: bool = _setting(False, _switch, "Serve gRPC reflection, so that grpcurl and the like can list what there is.")
    grace_s: float = _setting(60.0, _seconds, "Seconds that calls under way are given when the server is asked to end.")
    leave_s: float = _setting(
        5.0, _seconds, "Seconds, at most, that new calls are served before that: callers and proxies hear first that it is not ready."
    )
    most_calls: int = _setting(1000, _count, "Calls under way at once; more are refused with UNAVAILABLE, and tried elsewhere.")
    longest_call_s: float = _setting(120.0, _seconds, "Seconds after which a call ends whose caller sets no deadline.")
    connection_age_s: float = _setting(
        300.0, _seconds, "Seconds, more or less, after which a caller is asked to connect anew: so he meets new replicas and certificates."
    )
    valkey_url: str = _setting(
        "",
        _valkey_url,
        "Valkey (or Redis) that replicas share, as valkey://HOST:6379; without it each process keeps to itself.",
        secret=True,
    )
    cache_mb: int = _setting(16, _count, "Megabytes of answers that a process keeps for those who ask the same again.")
    replicas: int = _setting(
        1, _count, "Processes that share the Valkey, at least: while it is lost, each spends that part of a budget. More are noticed."
    )
    cache_dir: Path = _setting(_cache_dir(), Path, "Where the embedded model is kept.")
    state_dir: Path | None = _setting(
        None,
        _path,
        "Where decision records are kept, and the last good rules, for a start with broken ones.",
    )
    allow_content_capture: bool = _setting(
        False,
        _switch,
        "Says that it is meant where OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT puts prompts and answers into spans.",
    )
    records_mb: int = _setting(256, _count_or_none, "Megabytes of decision records that are kept there, the latest; 0 for none.")
    record_labels: tuple[str, ...] = _setting(
        (), _words, "Labels of requests and tenants that records may hold; of others they say what rules made of them."
    )
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The whole environment, for keys of providers that the catalog names. Not shown: it holds them."""

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Return the settings of an environment, the process's own by default. Raises BadSetting, naming all variables at fault."""
        environment = os.environ if environment is None else environment
        values, wrong = {}, []
        for name, parse, _, _ in described():
            text = environment.get(name)
            if text is None:
                continue
            try:
                values[name.removeprefix(PREFIX).lower()] = parse(text)
            except ValueError as error:
                wrong.append(f"{name}: {error}" if name in _SECRET else f"{name}={text!r}: {error}")
        settings = None if wrong else cls(**values, environment=dict(environment))
        wrong += [] if settings is None else _torn(settings)
        if settings is None or wrong:
            raise BadSetting("; ".join(wrong))
        return settings

    @property
    def is_native(self) -> bool:
        """Whether HTTP/2 is spoken by the server in Rust."""
        return self.transport == "native"

    @property
    def calls_over_tls(self) -> bool:
        """Whether the client uses TLS."""
        return bool(self.server_ca or self.client_cert or self.server_name)

    @property
    def records_dir(self) -> Path | None:
        """Where decision records go; None where none are kept."""
        return self.state_dir / "records" if self.state_dir is not None and self.records_mb else None

    @property
    def trust(self) -> Trust:
        """Which keys rule files may name, and where those may be sent."""
        return Trust(key_vars=self.key_vars, keys_dir=str(self.keys_dir), hosts=self.upstream_hosts)


def _torn(settings: Settings) -> list[str]:
    """Return what is wrong about settings that mean something together only."""
    torn = [
        f"{PREFIX}{' and '.join(name.upper() for name in names)} go together: give all of them, or none"
        for names in _TOGETHER
        if len({bool(getattr(settings, name)) for name in names}) > 1
    ]
    if settings.tls_client_ca and not settings.tls_cert:
        torn.append(f"{PREFIX}TLS_CLIENT_CA needs TLS_CERT and TLS_KEY")
    if settings.is_native:
        leaves = [name for name in _LEFT_TO_A_PROXY if settings.environment.get(PREFIX + name)]
        torn += [f"{PREFIX}TRANSPORT=native leaves {PREFIX}{name} to the proxy before it: take that away, or use grpcio" for name in leaves]
    return torn


def described() -> list[tuple[str, Callable[[str], Any], Any, str]]:
    """Return variable, parser, default and sentence of every setting."""
    return [
        (PREFIX + setting.name.upper(), setting.metadata["parse"], setting.default, setting.metadata["says"])
        for setting in fields(Settings)
        if setting.metadata
    ]


_ELSEWHERE = re.compile(r"POINTSMAN_TEST_\w+|POINTSMAN(_\w+)?_(SERVICE_HOST|(SERVICE_)?PORT)(_\w+)?")
"""Variables that are no settings: of our tests, and those that Kubernetes sets for a Service of our name."""


def unknown(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that look like settings and are none, each with what may have been meant."""
    known = [name for name, _, _, _ in described()]
    found = (name for name in environment if name.startswith(PREFIX) and name not in known and not _ELSEWHERE.fullmatch(name))
    return {name: did_you_mean(name, known) for name in sorted(found)}


_SECRET = frozenset(PREFIX + setting.name.upper() for setting in fields(Settings) if setting.metadata.get("secret"))
