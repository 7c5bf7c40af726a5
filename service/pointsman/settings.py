"""Settings: every environment variable that Pointsman reads, once, with its default and a sentence. Nothing else reads the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

PREFIX = "POINTSMAN_"

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


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or int(port) > 65_535:
        raise ValueError("expected HOST:PORT, as in 127.0.0.1:50051")
    return text


def _folder(text: str) -> Path | None:
    return None if text.lower() in ("", "none") else Path(text)


def _setting(default: Any, parse: Callable[[str], Any], says: str) -> Any:
    return field(default=default, metadata={"parse": parse, "says": says})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one process."""

    listen: str = _setting("127.0.0.1:50051", _address, "Address to serve on; port 0 picks a free one.")
    rules: Path = _setting(Path("rules"), Path, "Rule directory, for every command.")
    server: str = _setting("127.0.0.1:50051", _address, "Address that the client calls.")
    reflection: bool = _setting(False, _switch, "Serve gRPC reflection, so that grpcurl and the like can list what there is.")
    grace_s: float = _setting(60.0, _seconds, "Seconds that calls under way are given when the server is asked to end.")
    longest_call_s: float = _setting(120.0, _seconds, "Seconds after which a call ends whose caller sets no deadline.")
    cache_dir: Path = _setting(Path("~/.cache/pointsman").expanduser(), Path, "Where the embedded model is kept.")
    state_dir: Path | None = _setting(None, _folder, "Where the last good rules are kept, for a start with broken ones.")
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
                wrong.append(f"{name}={text!r}: {error}")
        if wrong:
            raise BadSetting("; ".join(wrong))
        return cls(**values, environment=dict(environment))


def described() -> list[tuple[str, Callable[[str], Any], Any, str]]:
    """Return variable, parser, default and sentence of every setting."""
    return [
        (PREFIX + setting.name.upper(), setting.metadata["parse"], setting.default, setting.metadata["says"])
        for setting in fields(Settings)
        if setting.metadata
    ]
