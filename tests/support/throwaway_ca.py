"""A certificate authority for one test, and certificates it signs."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

import pytest

x509 = pytest.importorskip("cryptography.x509")
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """Its certificate's file, and where it puts what it signs."""

    folder: Path
    cert: Path
    key: ec.EllipticCurvePrivateKey
    name: "x509.Name"

    def sign(self, host: str) -> tuple[Path, Path]:
        """Files of a certificate for `host`, a name or an address, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            alternative = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            alternative = x509.DNSName(host)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        builder = _builder(subject, self.name, key).add_extension(x509.SubjectAlternativeName([alternative]), False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(by, False)  # Python 3.13 asks for it
        return _written(self.folder, host, builder.sign(self.key, hashes.SHA256()), key)


def authority(folder: Path, name: str = "throwaway") -> Authority:
    """A new authority that nobody knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    builder = _builder(subject, subject, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    cert, _ = _written(folder, name, builder.add_extension(usage, True).sign(key, hashes.SHA256()), key)
    return Authority(folder, cert, key, subject)


def _builder(subject: "x509.Name", issuer: "x509.Name", key: ec.EllipticCurvePrivateKey) -> "x509.CertificateBuilder":
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - DAY)
    return builder.not_valid_after(now + DAY)


def _written(folder: Path, name: str, cert: "x509.Certificate", key: ec.EllipticCurvePrivateKey) -> tuple[Path, Path]:
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    return files
