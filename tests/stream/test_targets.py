"""Targets: what a webhook's URL may be, and which addresses behind it may be connected to."""

import socket

import pytest

from feedback_ingest.errors import SetupError
from feedback_loop.stream.webhooks import targets
from feedback_loop.stream.webhooks.targets import Allowed, TargetRefused, checked, parse

NOBODY = Allowed()
NAMES = {
    "example.com": ["93.184.215.14"],
    "both.example.com": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    "xn--bcher-kva.example": ["93.184.215.14"],
    "half.example.com": ["93.184.215.14", "10.0.0.7"],
    "loop.example.com": ["127.0.0.1"],
    "localtest.me": ["127.0.0.1"],
    "meta.example.com": ["169.254.169.254"],
    "six.example.com": ["::1"],
    "mapped.example.com": ["::ffff:127.0.0.1"],
    "nat64.example.com": ["64:ff9b::7f00:1"],
    "group.example.com": ["224.0.0.1"],
    "empty.example.com": [],
}


def resolve(host: str, port: int) -> list[str]:
    """A name server that knows a few names."""
    if host not in NAMES:
        raise socket.gaierror
    return NAMES[host]


def refused(url: str, allowed: Allowed = NOBODY) -> bool:
    """Whether the guard keeps us from there."""
    try:
        checked(parse(url, allowed), allowed, resolve)
    except TargetRefused:
        return True
    return False


GOOD = [
    "https://example.com/hook",
    "http://example.com",
    "https://EXAMPLE.com:443/a/b%2Fc?token=x%20y&z=1",
    "https://both.example.com/hook",
    "https://xn--bcher-kva.example/hook",
    "https://93.184.215.14/hook",
    "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/hook",
]
BAD = [
    # no http at all, or not in the one way it is written
    "",
    "example.com/hook",
    "//example.com/hook",
    "ftp://example.com/hook",
    "file:///etc/passwd",
    "gopher://example.com:70/_",
    "javascript:alert(1)",
    "http:/example.com",
    "http:example.com",
    "https:///hook",
    "https://",
    " https://example.com",
    "https://example.com ",
    "https://exa mple.com",
    "https://example.com\r\nHost: internal",
    "https://example.com\\@127.0.0.1/",
    "https://example.com/\nhook",
    "https://example.com/#part",
    "https://bücher.example/hook",
    "https://ⓔxample.com/hook",
    "https://example.com/ü",
    "https://" + "a." * 200 + "com",
    "https://example.com/" + "a" * 2_048,
    # somebody's name and password, and hosts that hide behind them
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com%00@127.0.0.1/",
    "https://example.com%2f@127.0.0.1/",
    # ports
    "https://example.com:22/",
    "https://example.com:8080/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:0443/",
    "https://example.com:/",
    # names that are none
    "https://localhost/",
    "https://intranet/",
    "https://example.com./",
    "https://.example.com/",
    "https://-a.example.com/",
    "https://a_b.example.com/",
    "https://empty.example.com/",
    "https://unknown.example.com/",
    # addresses in other spellings
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.0.1./",
    "http://127.0.0.01/",
    "http://%31%32%37.0.0.1/",
    "http://①②⑦.0.0.1/",
    # addresses that only we can reach
    "http://127.0.0.1/",
    "http://127.255.255.254/",
    "http://0.0.0.0/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://192.88.99.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fec0::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[127.0.0.1]/",
    # names behind which they stand, one of them among good ones
    "http://loop.example.com/",
    "http://localtest.me/",
    "http://half.example.com/",
    "http://meta.example.com/",
    "http://six.example.com/",
    "http://mapped.example.com/",
    "http://nat64.example.com/",
    "http://group.example.com/",
]


@pytest.mark.parametrize("url", GOOD)
def test_a_public_address_may_be_told(url: str) -> None:
    """By name or by number, at the two usual ports."""
    assert not refused(url)


@pytest.mark.parametrize("url", BAD)
def test_what_only_we_can_reach_is_refused(url: str) -> None:
    """However it is spelled, and whatever name it hides behind."""
    assert refused(url)


def test_a_lenient_guard_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted bug: whoever trusts `is_global` alone lets groups and embedded addresses through."""
    monkeypatch.setattr(targets, "is_public", lambda address: address.is_global)

    trusting = [url for url in BAD if not refused(url)]

    assert "http://224.0.0.1/" in trusting and "http://[64:ff9b::7f00:1]/" in trusting


@pytest.mark.parametrize(
    ("allow", "url", "is_refused"),
    [
        ("127.0.0.1", "http://127.0.0.1:9000/", False),
        ("127.0.0.1:9000", "http://127.0.0.1:9000/", False),
        ("127.0.0.1:9000", "http://127.0.0.1:9001/", True),
        ("127.0.0.1:9000", "http://127.0.0.1/", True),
        ("10.0.0.0/8", "http://10.1.2.3:8080/", False),
        ("10.0.0.0/8", "http://11.1.2.3:8080/", True),
        ("10.0.0.0/8", "http://half.example.com/", False),
        ("127.0.0.0/8", "http://loop.example.com:9000/", False),
        ("127.0.0.0/8", "http://example.com:9000/", True),
        ("loop.example.com", "http://loop.example.com:9000/", False),
        ("LOOP.example.com:9000", "http://loop.example.com:9000/", False),
        ("loop.example.com:9000", "http://loop.example.com:9001/", True),
        ("loop.example.com", "http://meta.example.com/", True),
        ("[::1]:9000, example.org", "http://[::1]:9000/", False),
        ("::1", "http://[::1]:9000/", False),
        ("fd00::/8", "http://[fd00::1]/", False),
    ],
)
def test_an_operator_may_allow_more(allow: str, url: str, is_refused: bool) -> None:
    """A host, an address or a network, at one port or at any; nothing beside it."""
    assert refused(url, Allowed.read(allow)) is is_refused


@pytest.mark.parametrize("allow", ["not a host", "10.0.0.0/99", "a:b:c", "http://example.com"])
def test_an_allowance_that_cannot_be_read_is_told(allow: str) -> None:
    """The operator learns which entry, before anything is sent."""
    with pytest.raises(SetupError, match="FEEDBACK_WEBHOOK_ALLOW"):
        Allowed.read(allow)
