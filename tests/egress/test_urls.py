"""Webhook URLs: what is refused and why, what is accepted and how it is read."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_issuer.domain.errors import BadInput
from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.urls import URL_LENGTH_MAX, Target, parse_target

STRICT = AddressRules()
DEMO = AddressRules(allowed_networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")), http_allowed=True)

HOSTILE = [
    ("", "has 0 characters; 1 to 2048"),
    ("https://example.com/" + "a" * 2029, "has 2049 characters"),
    ("example.com/hook", "is not absolute"),
    ("//example.com/hook", "is not absolute"),
    ("https:example.com", "is not absolute"),
    ("https:/example.com", "is not absolute"),
    ("://example.com", "is not absolute"),
    (" https://example.com", "scheme is ' https'"),
    ("\thttps://example.com", "scheme is '\\thttps'"),
    ("ht\ntps://example.com", "scheme is 'ht\\ntps'"),
    ("http://example.com", "scheme is 'http'; it must be 'https'."),
    ("ftp://example.com", "scheme is 'ftp'"),
    ("file:///etc/passwd", "scheme is 'file'"),
    ("gopher://example.com", "scheme is 'gopher'"),
    ("javascript://example.com/%0aalert(1)", "scheme is 'javascript'"),
    ("https://", "host is ''"),
    ("https:///hook", "host is ''"),
    ("https://:443/", "host is ''"),
    ("https://user@example.com/", "user information"),
    ("https://user:secret@example.com/", "user information"),
    ("https://example.com@127.0.0.1/", "user information"),
    ("https://example.com\\@127.0.0.1/", "user information"),
    ("https://example.com:@/", "user information"),
    ("https://example.com\\.evil.test/", "host is 'example.com\\\\.evil.test'"),
    ("https://example.com /", "host is 'example.com '"),
    ("https://exam\tple.com/", "host is 'exam\\tple.com'"),
    ("https://example.com\r\nX-Evil: 1/", "host is 'example.com\\r\\nX-Evil'"),
    ("https://example.com\x00.evil.test/", "host is 'example.com\\x00.evil.test'"),
    ("https://exam%70le.com/", "host is 'exam%70le.com'"),
    ("https://example.com./", "host is 'example.com.'"),
    ("https://.example.com/", "host is '.example.com'"),
    ("https://a..b/", "host is 'a..b'"),
    ("https://-example.com/", "host is '-example.com'"),
    ("https://example-.com/", "host is 'example-.com'"),
    ("https://ex_ample.com/", "host is 'ex_ample.com'"),
    ("https://*.example.com/", "host is '*.example.com'"),
    (f"https://{'a' * 64}.com/", "must be a domain name"),
    (f"https://{'a.' * 126}com/", "must be a domain name"),
    ("https://example.com:0/", "port is '0'; it must be a number from 1 to 65535."),
    ("https://example.com:65536/", "port is '65536'"),
    ("https://example.com:/", "port is ''"),
    ("https://example.com:+443/", "port is '+443'"),
    ("https://example.com:4_3/", "port is '4_3'"),
    ("https://example.com:٤٤٣/", "port is '\\u0664\\u0664\\u0663'"),
    ("https://example.com:443:80/", "port is '443:80'"),
    ("https://2130706433/", "four decimal numbers"),
    ("https://0x7f000001/", "four decimal numbers"),
    ("https://0X7F.0.0.1/", "four decimal numbers"),
    ("https://017700000001/", "four decimal numbers"),
    ("https://127.1/", "four decimal numbers"),
    ("https://127.0.1/", "four decimal numbers"),
    ("https://0177.0.0.1/", "four decimal numbers"),
    ("https://127.0.0.0x1/", "four decimal numbers"),
    ("https://127.0.0.0x/", "four decimal numbers"),
    ("https://127.0.0.256/", "four decimal numbers"),
    ("https://1.2.3.4.5/", "four decimal numbers"),
    ("https://example.1/", "four decimal numbers"),
    ("https://08.8.8.8/", "four decimal numbers"),
    ("https://\uff11\uff12\uff17.0.0.1/", "four decimal numbers"),  # full-width digits
    ("https://8\u30028.8.8/", "four decimal numbers"),
    ("https://127.0.0.1/", "127.0.0.0/8 is no public network (loopback)"),
    ("https://169.254.169.254/latest/meta-data", "169.254.0.0/16 is no public network"),
    ("https://[::1]/", "::1/128 is no public network (loopback)"),
    ("https://[::ffff:127.0.0.1]/", "127.0.0.0/8 is no public network"),
    ("https://[0:0:0:0:0:ffff:7f00:1]/", "127.0.0.0/8 is no public network"),
    ("https://[64:ff9b::7f00:1]/", "64:ff9b::/96 is no public network"),
    ("https://[fe80::1%25eth0]/", "without a zone"),
    ("https://[fe80::1%eth0]/", "without a zone"),
    ("https://[127.0.0.1]/", "must be an IPv6 address"),
    ("https://[example.com]/", "must be an IPv6 address"),
    ("https://[::1/", "authority is '[::1'"),
    ("https://::1/", "host is ''"),
    ("https://[2606:4700::1111]x/", "authority is"),
    ("https://☃\u200d.example/", "no internationalised domain name"),
    ("https://xn--/é", "host is 'xn--'"),
    ("https://example.com/hook#part", "has a fragment"),
    ("https://example.com/#", "has a fragment"),
    ("https://example.com/a b", "path has ' ' at its character 3"),
    ("https://example.com/a\r\nHost: evil", "path has '\\r' at its character 3"),
    ("https://example.com/\n", "path has '\\n' at its character 2"),
    ("https://example.com/é", "path has '\\xe9' at its character 2"),
    ("https://example.com/%zz", "path has '%' at its character 2"),
    ("https://example.com/a\\b", "path has '\\\\' at its character 3"),
    ("https://example.com/?a=b c", "query has ' ' at its character 4"),
    ("https://example.com/?a=\x7f", "query has '\\x7f' at its character 3"),
    ("https://example.com/?%", "query has '%' at its character 1"),
]


@pytest.mark.parametrize(("url", "fault"), HOSTILE)
def test_a_hostile_url_is_refused_with_its_faulty_part(url: str, fault: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parse_target(url, STRICT)

    assert fault in refusal.value.detail
    assert refusal.value.detail.isascii()
    assert refusal.value.detail.isprintable()


def test_the_demo_refuses_the_same_forms_of_loopback() -> None:
    for host in (
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "\uff11\uff12\uff17.0.0.1",
        "0.0.0.0",
    ):
        with pytest.raises(BadInput):
            parse_target(f"http://{host}/", DEMO)


@pytest.mark.parametrize(
    ("url", "rules", "target"),
    [
        (
            "https://Example.COM",
            STRICT,
            Target(
                "https",
                "example.com",
                443,
                "https://example.com",
                "/",
                b"POST / HTTP/1.1\r\nHost: example.com\r\n",
            ),
        ),
        (
            "HTTPS://example.com:443/hook",
            STRICT,
            Target(
                "https",
                "example.com",
                443,
                "https://example.com",
                "/hook",
                b"POST /hook HTTP/1.1\r\nHost: example.com\r\n",
            ),
        ),
        (
            "https://example.com:8443/a;b/%20c/?d=e&f=/?%2F",
            STRICT,
            Target(
                "https",
                "example.com",
                8443,
                "https://example.com:8443",
                "/a;b/%20c/?d=e&f=/?%2F",
                b"POST /a;b/%20c/?d=e&f=/?%2F HTTP/1.1\r\nHost: example.com:8443\r\n",
            ),
        ),
        (
            "https://bücher.example?",
            STRICT,
            Target(
                "https",
                "xn--bcher-kva.example",
                443,
                "https://xn--bcher-kva.example",
                "/?",
                b"POST /? HTTP/1.1\r\nHost: xn--bcher-kva.example\r\n",
            ),
        ),
        (
            "https://8.8.8.8/",
            STRICT,
            Target("https", "8.8.8.8", 443, "https://8.8.8.8", "/", b"POST / HTTP/1.1\r\nHost: 8.8.8.8\r\n"),
        ),
        (
            "https://[2606:4700:0::1111]:444/",
            STRICT,
            Target(
                "https",
                "2606:4700::1111",
                444,
                "https://[2606:4700::1111]:444",
                "/",
                b"POST / HTTP/1.1\r\nHost: [2606:4700::1111]:444\r\n",
            ),
        ),
        (
            "http://127.0.0.1:8080/hook",
            DEMO,
            Target(
                "http",
                "127.0.0.1",
                8080,
                "http://127.0.0.1:8080",
                "/hook",
                b"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n",
            ),
        ),
        (
            "http://localhost:80",
            DEMO,
            Target("http", "localhost", 80, "http://localhost", "/", b"POST / HTTP/1.1\r\nHost: localhost\r\n"),
        ),
    ],
)
def test_a_good_url_is_read_in_one_way(url: str, rules: AddressRules, target: Target) -> None:
    assert parse_target(url, rules) == target


def test_the_longest_url_is_accepted() -> None:
    url = "https://example.com/"
    target = parse_target(url + "a" * (URL_LENGTH_MAX - len(url)), STRICT)

    assert len(target.path) == 2029


def test_neither_a_refusal_nor_a_target_shows_secrets() -> None:
    with pytest.raises(BadInput) as refusal:
        parse_target("https://user:s3cret@example.com/", STRICT)

    assert "s3cret" not in str(refusal.value)
    assert "s3cret" not in repr(parse_target("https://example.com/s3cret?key=s3cret", STRICT))


def test_targets_are_keys() -> None:
    url = "https://example.com/hook"

    assert {parse_target(url, STRICT): 1}[parse_target(url, STRICT)] == 1


URL_LIKE = st.text(alphabet=st.sampled_from("htps:/.@#?[]%\\ \t\r\n01xa-é"), max_size=30)


@given(
    st.one_of(
        st.text(max_size=40),
        URL_LIKE,
        URL_LIKE.map("https://a".__add__),
        URL_LIKE.map("https://a.no/".__add__),
    )
)
def test_whatever_is_accepted_makes_exactly_two_printable_lines(url: str) -> None:
    try:
        target = parse_target(url, STRICT)
    except BadInput:
        return
    request_line, host, rest = target.opening.decode("ascii").split("\r\n")
    assert rest == ""
    assert request_line.isprintable()
    assert request_line.count(" ") == 2
    assert host.isprintable()
    assert host.count(" ") == 1
