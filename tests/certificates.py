"""Certificates for tests: an authority, and what it signs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Signed:
    """A certificate and its key, as PEM files."""

    cert: Path
    key: Path


@dataclass
class Authority:
    """Signs certificates; its own is in `ca`."""

    directory: Path
    name: str = "tests"
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.directory.mkdir(exist_ok=True)
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        own = self._builder(self.subject, self._key, timedelta(days=1)).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), True
        )
        self.ca = self.directory / f"{self.name}-ca.pem"
        self.ca.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def sign(
        self, name: str, *uris: str, lasts: timedelta = timedelta(days=1), by_itself: bool = False, dns: str = "", **attributes: str
    ) -> Signed:
        """Return a certificate for 127.0.0.1, or the name `dns`, with these URIs; attributes are those of the subject, as in `CN="search"`."""
        key = ec.generate_private_key(ec.SECP256R1())
        oids = {"CN": NameOID.COMMON_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME, "O": NameOID.ORGANIZATION_NAME}
        subject = x509.Name([x509.NameAttribute(oids[kind], value) for kind, value in attributes.items()])
        own = x509.DNSName(dns) if dns else x509.IPAddress(ip_address("127.0.0.1"))
        names: list[x509.GeneralName] = [own, *map(x509.UniformResourceIdentifier, uris)]
        built = self._builder(subject, key, lasts).add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = built.sign(key if by_itself else self._key, hashes.SHA256())
        files = Signed(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        files.cert.write_bytes(signed.public_bytes(Encoding.PEM))
        files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, lasts: timedelta) -> x509.CertificateBuilder:
        ends = datetime.now(UTC) + lasts
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(ends - timedelta(days=2))
            .not_valid_after(ends)
        )
