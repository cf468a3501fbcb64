"""Certificates for tests, as files."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Authority:
    """A certificate authority that lives in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        made = _builder(self._name, self._name, self._key.public_key())
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self.file = folder / f"{name}.pem"
        certificate = made.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM)
        self.file.write_bytes(self.certificate)

    def issue(
        self,
        name: str,
        *,
        dns: str | None = "localhost",
        days: int = 1,
        addresses: Sequence[str] = ("127.0.0.1",),
        common: str | None = None,
    ) -> tuple[Path, Path]:
        """The files of a certificate and its key for addresses and a name; it holds for `days`, below 0 no longer.

        Without either it has a subject alone: `common`, else `name`, or none where that is empty.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name if common is None else common)
        names: list[x509.GeneralName] = [x509.IPAddress(ip_address(each)) for each in addresses]
        if dns:
            names.append(x509.DNSName(dns))
        made = _builder(subject, self._name, key.public_key(), days)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = made.sign(self._key, hashes.SHA256())
        cert_file, key_file = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return cert_file, key_file


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)] if common else [])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int = 1
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
    )
