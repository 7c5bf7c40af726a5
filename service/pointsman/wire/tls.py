"""TLS of the server: its certificate, and what the certificates of clients say of who calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from cachetools import LRUCache, cached
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

Names = tuple[tuple[str, ...], str]
"""SPIFFE ids and subject."""

_NOBODY: Names = ((), "")


class BadCertificate(ValueError):
    """A file does not hold what TLS needs; the message says which, and never what it holds."""


def server_credentials(cert: Path, key: Path, client_ca: Path | None) -> grpc.ServerCredentials:
    """Return the credentials of a server; with `client_ca`, every client must show a certificate of it. Raises BadCertificate."""
    chain, private = _read(cert), _read(key)
    try:
        public = x509.load_pem_x509_certificates(chain)[0].public_key()
    except ValueError:
        raise BadCertificate(f"{cert} holds no PEM certificate") from None
    try:
        own = load_pem_private_key(private, password=None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadCertificate(f"{key} holds no PEM private key without a password") from None
    if own != public:
        raise BadCertificate(f"{key} is not the key of {cert}")
    return grpc.ssl_server_credentials(
        [(private, chain)], root_certificates=_authorities(client_ca) if client_ca else None, require_client_auth=client_ca is not None
    )


def _authorities(file: Path) -> bytes:
    found = _read(file)
    try:
        x509.load_pem_x509_certificates(found)
    except ValueError:
        raise BadCertificate(f"{file} holds no PEM certificate") from None
    return found


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
