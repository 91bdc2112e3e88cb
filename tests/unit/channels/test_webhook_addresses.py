"""Whom a webhook is posted to: URLs in their normal form, and addresses, checked when they are used."""

import socket
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.channels import webhook
from chalicelib.channels.base import Session
from chalicelib.channels.bounded_http import is_public
from chalicelib.channels.webhook import WebhookChannel
from chalicelib.domain.results import Accepted, Permanent, Retryable
from chalicelib.settings import load
from tests.support.factories import ENVIRONMENT
from tests.support.webhook_receiver import WebhookReceiver
from tests.support.webhooks import HOST, KEY, Resolver, certificate_for, send, session

V4 = (
    "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 127.9.9.9 169.254.169.254 172.16.0.1 172.31.255.255"
    " 192.0.0.1 192.0.0.8 192.0.0.170 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1"
    " 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255"
)
V6 = (
    ":: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b::808:808"
    " 64:ff9b:1::7f00:1 100::1 2001::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::1 2002:808:808::1"
    " 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1 4000::1"
)
PUBLIC = "1.1.1.1 8.8.8.8 93.184.216.34 172.32.0.1 192.0.1.1 2606:4700:4700::1111 2a00:1450:4001:82a::200e"


@pytest.mark.parametrize("address", f"{V4} {V6}".split())
def test_an_address_that_is_not_public_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    assert not is_public(ip_address(address))
    Resolver(monkeypatch, 443, [address])
    with session(monkeypatch, networks="") as sender:
        assert send(sender, f"https://{HOST}/{KEY}") == Permanent(f"{HOST}: its address is not a public one")
        literal = f"https://[{address}]/" if ":" in address else f"https://{address}/"
        assert send(sender, literal) == Permanent("not a URL that may be posted to")


@pytest.mark.parametrize("address", PUBLIC.split())
def test_a_public_address_is_one(address: str) -> None:
    assert is_public(ip_address(address))


def test_a_network_may_be_allowed() -> None:
    networks = [ip_network("10.0.1.0/24"), ip_network("fd00::/8")]
    assert [
        each for each in ("10.0.1.1", "10.0.2.1", "fd00::1") if is_public(ip_address(each), networks)
    ] == [
        "10.0.1.1",
        "fd00::1",
    ]


def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, secure: WebhookReceiver
) -> None:
    with (
        session(monkeypatch, networks="127.0.0.1/32") as sender,
        WebhookReceiver(address="127.0.0.2", port=secure.port) as inner,
    ):
        resolver = Resolver(monkeypatch, secure.port, ["127.0.0.1"], ["127.0.0.2"])
        assert send(sender, secure.url(host=HOST)) == Accepted("200")
        assert resolver.asked == 1
        (got,) = secure.got()
        assert got.headers["host"] == f"{HOST}:{secure.port}"
        assert inner.got() == []


def test_a_name_that_leads_inside_is_refused_though_it_would_lead_outside_then(
    monkeypatch: pytest.MonkeyPatch, secure: WebhookReceiver
) -> None:
    with session(monkeypatch, networks="127.0.0.1/32") as sender:
        resolver = Resolver(monkeypatch, secure.port, ["127.0.0.2"], ["127.0.0.1"])
        result = send(sender, secure.url(f"/{KEY}", host=HOST))
        assert result == Permanent(f"{HOST}: its address is not a public one")
    assert resolver.asked == 1
    assert secure.got() == []


def test_only_allowed_addresses_are_tried_and_one_that_is_down_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, secure: WebhookReceiver
) -> None:
    with (
        session(monkeypatch, networks="127.0.0.1/32, 127.0.0.3/32") as sender,
        WebhookReceiver(address="127.0.0.2", port=secure.port) as inner,
    ):
        Resolver(monkeypatch, secure.port, ["127.0.0.2", "127.0.0.3", "127.0.0.1"])
        assert send(sender, secure.url(host=HOST)) == Accepted("200")
        assert inner.got() == []
    assert len(secure.got()) == 1


def test_a_certificate_for_another_host_is_refused(
    monkeypatch: pytest.MonkeyPatch, secure: WebhookReceiver, sender: Session
) -> None:
    Resolver(monkeypatch, secure.port, ["127.0.0.1"])
    result = send(sender, secure.url(f"/{KEY}", host="other.example.com"))
    assert isinstance(result, Retryable)
    assert "certificate is not accepted: Hostname mismatch" in result.reason
    assert KEY not in result.reason
    assert secure.got() == []


def test_a_certificate_of_nobody_is_refused_and_so_is_no_tls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, receiver: WebhookReceiver, sender: Session
) -> None:
    context, _ = certificate_for(tmp_path, HOST)
    with WebhookReceiver(context) as stranger:
        Resolver(monkeypatch, stranger.port, ["127.0.0.1"])
        result = send(sender, stranger.url(host=HOST))
        assert result == Retryable(f"{HOST}: its certificate is not accepted: self-signed certificate")
        assert stranger.got() == []
    result = send(sender, f"https://{HOST}:{receiver.port}/")
    assert isinstance(result, Retryable)
    assert result.reason.startswith(f"{HOST}: no TLS: ")
    assert receiver.got() == []


def test_no_name(monkeypatch: pytest.MonkeyPatch, sender: Session) -> None:
    def no_name(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    assert send(sender, f"https://{HOST}/{KEY}") == Retryable(f"{HOST}: its name cannot be resolved")


def test_no_proxy_of_the_environment_is_asked(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver, sender: Session
) -> None:
    with WebhookReceiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url(""))
        assert send(sender, receiver.url()) == Accepted("200")
        assert proxy.got() == []


def test_an_address_that_is_not_allowed_any_more_is_not_posted_to(
    monkeypatch: pytest.MonkeyPatch, receiver: WebhookReceiver
) -> None:
    with session(monkeypatch, networks="") as sender:
        assert send(sender, receiver.url()) == Permanent("not a URL that may be posted to")
    assert receiver.got() == []


def address_of(monkeypatch: pytest.MonkeyPatch, url: str | None) -> str | None:
    settings = load({**ENVIRONMENT, "WEBHOOK_NETWORKS": "10.1.2.0/24"})
    monkeypatch.setattr(webhook, "current", lambda: settings)
    return WebhookChannel().address_of(url)


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("https://example.com", "https://example.com/"),
        (" HTTPS://Example.COM:443/Hook?A=b ", "https://example.com/Hook?A=b"),
        ("https://example.com:8443/hook", "https://example.com:8443/hook"),
        ("https://example.com:/hook", "https://example.com/hook"),
        ("https://example.com./hook", "https://example.com/hook"),
        ("https://пример.рф/путь?я=1", "https://xn--e1afmkfd.xn--p1ai/%D0%BF%D1%83%D1%82%D1%8C?%D1%8F=1"),
        ("https://example.com/a%20b/%2e", "https://example.com/a%20b/%2e"),
        ("https://a_b.example.com/", "https://a_b.example.com/"),
        ("https://8.8.8.8/x", "https://8.8.8.8/x"),
        ("https://[2606:4700:4700:0::1111]:8443/x", "https://[2606:4700:4700::1111]:8443/x"),
        ("http://10.1.2.3:8080/x", "http://10.1.2.3:8080/x"),
        ("https://10.1.2.3/x", "https://10.1.2.3/x"),
        ("https://example.com/" + "x" * 480, "https://example.com/" + "x" * 480),
        ("https://success.sandbox.vestnik.example/1", "https://success.sandbox.vestnik.example/1"),
    ],
)
def test_a_url_in_its_normal_form(monkeypatch: pytest.MonkeyPatch, given: str, normal: str) -> None:
    assert address_of(monkeypatch, given) == normal
    assert address_of(monkeypatch, normal) == normal


@pytest.mark.parametrize(
    "url",
    [
        None, "", "example.com", "//example.com/x", "http://example.com/", "ftp://example.com/",
        "http://8.8.8.8/", "http://10.1.3.1/", "https://10.1.3.1/", "https://127.0.0.1/", "https://[::1]/",
        "https://[::ffff:127.0.0.1]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/",
        "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.0.0.1/",
        "https://0177.0.0.1/", "https://1.2.3.4.5/", "https://127.0.0.1./", "https://①②⑦.0.0.1/",
        "https://user@example.com/", "https://user:password@example.com/", "https://@example.com/",
        "https://example.com/#part", "https://example.com/#", "https:///x", "https://:443/x",
        "https:example.com", "https://example.com:0/", "https://example.com:65536/", "https://example.com:x/",
        "https://exa mple.com/", "https://example.com/a b", "https://example.com/a\nb",
        "https://exam\tple.com/", "https://example.com\\@x/", "https://example.com/\x00",
        "https://-a.example.com/", "https://a..example.com/", "https://" + "a" * 64 + ".com/",
        "https://[not]/", "https://[::1/", "https://example.com/" + "x" * 481,
        "https://example.com/" + "я" * 100, "https://exam\ud800ple.com/", "https://example.com/\ud800",
        "https://a\u2100b.com/", "https://xn--\u00e9.com/", "https://" + ".".join(["a" * 60] * 5) + "/",
        "https://.example.com/", "https://example.com%2eevil.com/",
    ],
)  # fmt: skip
def test_what_is_no_url_that_is_posted_to(monkeypatch: pytest.MonkeyPatch, url: str | None) -> None:
    assert address_of(monkeypatch, url) is None


@given(st.text(max_size=40) | st.from_regex(r"https://[^/]{0,30}(/.{0,30})?", fullmatch=True))
def test_whatever_stands_in_a_contact_is_a_normal_form_or_nothing(text: str) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        normal = address_of(monkeypatch, text)
        assert normal is None or (normal.isascii() and address_of(monkeypatch, normal) == normal)
