"""Targets: the strict grammar of a webhook's URL, and which addresses behind it may be connected to.

A URL that somebody else chose must not reach what only we can reach: loopback, private networks, cloud metadata. A
name is resolved once, every address must be global unicast, and the connection goes to an address that was checked.
"""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, NamedTuple

from feedback_ingest.errors import FeedbackError, SetupError

URL = re.compile(
    r"\A(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:@/%-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?)\Z",
    re.ASCII,
)
AUTHORITY = re.compile(r"\A[A-Za-z]+://[^/?#\\]*")
LABEL = re.compile(r"\A[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z", re.ASCII)
LONGEST_URL = 2_048
PORTS = {"http": 80, "https": 443}

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]

# is_global says yes to these, and behind each an IPv4 address may hide, or a group of receivers.
EMBEDDING = tuple(
    map(IPv6Network, ("::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16"))
)
RELAY = ip_network("192.88.99.0/24")


class TargetRefused(FeedbackError):
    """A webhook may not go there; name a public http or https address, or have the operator allow it."""

    code = "target-refused"


class Target(NamedTuple):
    """A URL in its parts; `address` where its host is one."""

    scheme: str
    host: str
    port: int
    path: str
    address: Address | None

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def at(self, address: Address) -> str:
        """The URL by which the target is reached at `address`."""
        host = f"[{address}]" if isinstance(address, IPv6Address) else str(address)
        return f"{self.scheme}://{host}:{self.port}{self.path or '/'}"

    @property
    def url(self) -> str:
        """The URL by name."""
        return f"{self.scheme}://{self.authority}{self.path or '/'}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the operator allows beside public addresses: names and networks, each at one port or (None) at any."""

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Any, int | None], ...] = ()

    @classmethod
    def read(cls, text: str | None, setting: str = "FEEDBACK_WEBHOOK_ALLOW") -> "Allowed":
        """`host`, `host:port`, an address or a network such as `10.0.0.0/8`, by commas; raises SetupError."""
        names, networks = set(), []
        for entry in filter(None, (part.strip().lower() for part in (text or "").split(","))):
            host, port = _entry(entry, setting)
            try:
                networks.append((ip_network(host), port))
            except ValueError:
                if not all(LABEL.match(label) for label in host.split(".")):
                    raise SetupError(f"{setting}: {entry!r} is no host, address or network") from None
                names.add((host, port))
        return cls(frozenset(names), tuple(networks))

    def has_name(self, host: str, port: int) -> bool:
        """Whether the name may stand for any address."""
        return bool(self.names & {(host, port), (host, None)})

    def has_address(self, address: Address, port: int) -> bool:
        """Whether the address lies in an allowed network."""
        return any(address in network and only in (None, port) for network, only in self.networks)


def _entry(entry: str, setting: str) -> tuple[str, int | None]:
    found = re.fullmatch(r"\[([^\]]+)\](?::(\d{1,5}))?|([^:]+)(?::(\d{1,5}))?|([0-9a-f:/]+)", entry)
    if found is None:
        raise SetupError(f"{setting}: {entry!r} cannot be read; write host, host:port or a network")
    port = found[2] or found[4]
    return found[1] or found[3] or found[5], int(port) if port else None


def parse(url: str, allowed: Allowed) -> Target:
    """The parts of a URL that keeps the grammar, nothing resolved yet; raises TargetRefused."""
    authority = AUTHORITY.match(url)
    if authority is None or len(url) > LONGEST_URL:
        raise TargetRefused()
    found = URL.match(authority[0].lower() + url[authority.end() :])
    if found is None:
        raise TargetRefused()
    scheme, host = found["scheme"], found["host"].strip("[]")
    port = int(found["port"] or PORTS[scheme])
    address = _literal(found["host"])
    target = Target(scheme, host if address is None else str(address), port, found["path"], address)
    is_named = allowed.has_name(host, port)
    if address is None and not _is_name(host, is_named):
        raise TargetRefused()
    is_allowed = is_named or (address is not None and allowed.has_address(address, port))
    if port > 65_535 or (port not in PORTS.values() and not is_allowed and not _any_network(allowed, port, address)):
        raise TargetRefused()
    return target


def _any_network(allowed: Allowed, port: int, address: Address | None) -> bool:
    """Whether a name on that port may turn out to stand for an address in an allowed network."""
    return address is None and any(only in (None, port) for _, only in allowed.networks)


def _literal(host: str) -> Address | None:
    """The address that `host` spells in its one canonical way; a bracketed one must be IPv6."""
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        if host.startswith("["):
            raise TargetRefused() from None
        return None
    if isinstance(address, IPv6Address) != host.startswith("["):
        raise TargetRefused()
    return address


def _is_name(host: str, is_allowed: bool) -> bool:
    """Whether it is a DNS name; a last label that starts with a digit is another spelling of an address."""
    labels = host.split(".")
    return (
        all(LABEL.match(label) for label in labels) and not labels[-1][0].isdigit() and (len(labels) >= 2 or is_allowed)
    )


def is_public(address: Address) -> bool:
    """Whether it is global unicast and nothing else hides in it."""
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, IPv4Address):
        return address not in RELAY
    return not address.is_site_local and not any(address in network for network in EMBEDDING)


def checked(target: Target, allowed: Allowed, resolve: Resolve) -> list[Address]:
    """The addresses the target may be reached at, resolved now; raises TargetRefused unless each of them is allowed."""
    if target.address is not None:
        addresses = [target.address]
    else:
        try:
            addresses = [ip_address(found) for found in dict.fromkeys(resolve(target.host, target.port))]
        except (OSError, UnicodeError, ValueError):
            raise TargetRefused() from None
    is_usual = target.port in PORTS.values()
    for address in addresses:
        is_allowed = allowed.has_name(target.host, target.port) or allowed.has_address(address, target.port)
        if not is_allowed and not (is_usual and is_public(address)):
            raise TargetRefused()
    if not addresses:
        raise TargetRefused()
    return addresses


def system_resolve(host: str, port: int) -> list[str]:
    """What the system says `host` stands for; may take seconds."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
