"""Secure transmission: the certificate a door shows, and the refusal to speak plain text to other machines."""

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from feedback_ingest.errors import SetupError
from feedback_ingest.settings import Settings


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of a certificate chain and its key, and the oldest version spoken: 1.2 or 1.3."""

    cert: Path
    key: Path
    min_version: str


def tls_of(settings: Settings) -> Tls | None:
    """What the settings name, tried; None without; raises SetupError for half a pair or files that do not fit."""
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise SetupError("TLS needs both FEEDBACK_TLS_CERT and FEEDBACK_TLS_KEY")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise SetupError(f"FEEDBACK_TLS_CERT {cert} and FEEDBACK_TLS_KEY cannot be used: {error.strerror}") from error
    return Tls(cert.resolve(), key.resolve(), settings.tls_min_version)


def refuse_plain_text(host: str, tls: Tls | None, is_behind_proxy: bool) -> None:
    """Raises SetupError where keys would cross a network in the open."""
    if tls is None and not is_behind_proxy and not is_loopback(host):
        raise SetupError(
            f"{host} can be reached from other machines, and keys would cross the network in plain text; "
            "set FEEDBACK_TLS_CERT and FEEDBACK_TLS_KEY, or say --behind-proxy where a proxy speaks TLS in front"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`; a name other than localhost may be anything."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
