"""What those who edit rule files may do with the keys of providers: which they may name, and where those may be sent.

Without such bounds, whoever may edit models.yaml could have any file or variable of the process sent to an address of his choice. The
bounds come from the process's settings, which rule editors do not write.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from msgspec import Struct

from pointsman.core.rulefile.documents import ProviderDoc

# Strict, since what one parser of addresses takes for the host, another may take for a password.
_ADDRESS = re.compile(r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[A-Za-z0-9._~%/-]*)?")


class Trust(Struct, frozen=True, kw_only=True):
    """The bounds; by default there are none."""

    key_vars: tuple[str, ...] = ("*",)
    """Variables that may hold keys; a `*` stands for any characters."""
    keys_dir: str = "/"
    """Directory below which files may hold keys."""
    hosts: tuple[str, ...] = ("*",)
    """Hosts that keys may be sent to over https, or, written as http://HOST, in the clear; a `*` stands for any characters."""


UNBOUND = Trust()


def is_address(text: str) -> bool:
    """Return whether a text is the address of a provider: scheme, host, perhaps port and path, and nothing else."""
    return _ADDRESS.fullmatch(text) is not None


def breaches(doc: ProviderDoc, trust: Trust) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield the path below the provider, what is wrong, and what to do, for each bound that it oversteps."""
    if doc.key is None:
        return
    if doc.key.env and not _fits(doc.key.env, trust.key_vars):
        yield ("key", "env"), f"variable '{doc.key.env}' may not hold keys", f"POINTSMAN_KEY_VARS allows {', '.join(trust.key_vars)}"
    if doc.key.file and not _is_below(doc.key.file, trust.keys_dir):
        yield ("key", "file"), f"file '{doc.key.file}' may not hold keys", f"POINTSMAN_KEYS_DIR allows those below {trust.keys_dir}"
    if is_address(doc.base_url):
        address = urlsplit(doc.base_url)
        host = address.hostname or ""
        wanted = host if address.scheme == "https" else f"http://{host}"  # in the clear only where that is said
        if not _fits(wanted, trust.hosts):
            yield ("base_url",), f"keys may not be sent to '{wanted}'", f"POINTSMAN_UPSTREAM_HOSTS allows {', '.join(trust.hosts)}"


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _is_below(path: str, directory: str) -> bool:
    """Return whether a path, as it is written, leads to something below the directory. Links there are the deployment's."""
    written_out = path.isprintable() and posixpath.isabs(path) and posixpath.normpath(path) == path
    return written_out and path.startswith(posixpath.join(directory, ""))
