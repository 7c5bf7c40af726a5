"""TLS: the certificates of the server and of its clients, and what those of clients say of who calls."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

import grpc
from cachetools import LRUCache, cached
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pointsman.ports import Say, unheard

Names = tuple[tuple[str, ...], str]
"""SPIFFE ids and subject."""

_NOBODY: Names = ((), "")


class BadCertificate(ValueError):
    """A file does not hold what TLS needs; the message says which, and never what it holds."""


def client_credentials(ca: Path | None, cert: Path | None, key: Path | None) -> grpc.ChannelCredentials:
    """Return the credentials of a client; without `ca` it trusts whom the system trusts. Raises BadCertificate.

    What grpc cannot use it tells in lines of its own on stderr, and when the first call fails: so it is looked at here.
    """
    authorities = _certificates(ca)[0] if ca else None
    if cert is None or key is None:
        if cert or key:
            raise BadCertificate(f"{cert or key} is of no use alone: a certificate and its key go together")
        return grpc.ssl_channel_credentials(authorities)
    private, chain, _ = _pair(cert, key)
    return grpc.ssl_channel_credentials(authorities, private, chain)


SETTLED_S = 1.0
"""A file that was written less than so long ago may be half there."""

_Version: TypeAlias = tuple[tuple[int, ...], ...]


class Certificates:
    """The files of a server's certificate, looked at in each handshake: some microseconds, unless one has changed.

    What is new counts once it is settled and of one piece; until then, what was before does. grpc calls from threads of its own.
    """

    def __init__(self, cert: Path, key: Path, client_ca: Path | None, say: Say = unheard) -> None:
        """With `client_ca`, every client must show a certificate of it. Raises BadCertificate."""
        self._cert, self._key, self._client_ca = cert, key, client_ca
        self._say = say
        self._lock = Lock()
        self._judged = self._version()
        self._new: grpc.ServerCertificateConfiguration | None = None
        self._first, self.expires_at = self._read()
        self._warn()

    def credentials(self) -> grpc.ServerCredentials:
        """Return the credentials of a server: each new connection meets what the files hold by then, open ones stay as they are."""
        return grpc.dynamic_ssl_server_credentials(
            self._first,
            self._changed,  # type: ignore[arg-type]  # None is for no change, as grpc documents it and its types do not
            require_client_authentication=self._client_ca is not None,
        )

    def look(self) -> None:
        """See whether the files have changed, and say so: what cannot be used is to be known before anybody connects."""
        with self._lock:
            version = self._version()
            if version == self._judged or _is_fresh(version):
                return
            try:
                (found, expires_at), told = self._read(), "the files of TLS have changed: new connections meet what they hold now"
            except BadCertificate as error:
                found, told = None, f"the files of TLS have changed and cannot be used, what they held before counts: {error}"
            if version != self._version():  # swapped while they were read: what was read may be of both
                return
            self._judged = version
            if found is not None:
                self._new, self.expires_at = found, expires_at
        self._say(told, level="info" if found else "warning")
        self._warn()

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what new connections are to meet from now on; None where that is what they met before."""
        self.look()
        with self._lock:
            found, self._new = self._new, None
        return found

    def _warn(self) -> None:
        if self.expires_at < datetime.now(UTC):
            self._say(f"the certificate in {self._cert} expired at {self.expires_at:%Y-%m-%dT%H:%MZ}: clients refuse it", level="warning")

    def _version(self) -> _Version:
        """Return what differs when a file does, or when a link on the way to it leads elsewhere; nothing for one that is not there."""
        return tuple(_state(file) for file in (self._cert, self._key, self._client_ca) if file is not None)

    def _read(self) -> tuple[grpc.ServerCertificateConfiguration, datetime]:
        """Return what the files hold, and until when the certificate counts."""
        private, chain, certificate = _pair(self._cert, self._key)
        authorities = _certificates(self._client_ca)[0] if self._client_ca else None
        found = grpc.ssl_server_certificate_configuration([(private, chain)], root_certificates=authorities)
        return found, certificate.not_valid_after_utc


def _state(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _is_fresh(version: _Version) -> bool:
    """Return whether a file was just written; what is of the future, by a clock that was set back, was not."""
    return any(0 <= time.time_ns() - state[-1] < SETTLED_S * 1e9 for state in version if state)


def _pair(cert: Path, key: Path) -> tuple[bytes, bytes, x509.Certificate]:
    """Return a private key, its certificate chain, and the certificate. Raises BadCertificate, also where they are not of one pair."""
    (chain, certificate), private = _certificates(cert), _read(key)
    try:
        own = load_pem_private_key(private, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadCertificate(f"{key} holds no PEM private key without a password") from None
    try:
        public = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise BadCertificate(f"{cert} is a certificate for a kind of key that is not known") from None
    if own != public:
        raise BadCertificate(f"{key} is not the key of {cert}")
    return private, chain, certificate


def _certificates(file: Path) -> tuple[bytes, x509.Certificate]:
    """Return what a file of certificates holds, and the first of them. Raises BadCertificate."""
    found = _read(file)
    try:
        return found, x509.load_pem_x509_certificates(found)[0]
    except ValueError:
        raise BadCertificate(f"{file} holds no PEM certificate") from None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadCertificate(f"cannot read {file}: {error.strerror}") from None


def names_of(context: grpc.aio.ServicerContext[Any, Any]) -> Names:
    """Return what the client's certificate, which TLS has verified, says of it; nothing where there is none."""
    certificate = next(iter(context.auth_context().get("x509_pem_cert", ())), None)
    return _names(certificate) if certificate else _NOBODY


@cached(LRUCache(maxsize=4096))
def _names(pem: bytes) -> Names:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        subject = certificate.subject.rfc4514_string()
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = tuple(alternatives.get_values_for_type(x509.UniformResourceIdentifier))
    except x509.ExtensionNotFound:
        return (), subject
    except Exception:  # whatever the library makes of names that it does not know
        return _NOBODY
    return (uris if len(uris) == 1 else ()), subject  # SPIFFE: a certificate of more than one URI is not valid
