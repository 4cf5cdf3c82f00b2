"""Which addresses may be contacted: every special network is forbidden, its public neighbours are not."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_issuer.egress.addresses import FORBIDDEN_NETWORKS, AddressRules, literal_address, vet

PUBLIC_ONLY = AddressRules()

FORBIDDEN = [
    ("0.0.0.0", "0.0.0.0/8"),
    ("0.255.255.255", "0.0.0.0/8"),
    ("10.0.0.1", "10.0.0.0/8"),
    ("100.64.0.0", "100.64.0.0/10"),
    ("100.100.100.200", "100.64.0.0/10"),
    ("100.127.255.255", "100.64.0.0/10"),
    ("127.0.0.1", "127.0.0.0/8"),
    ("127.255.255.255", "127.0.0.0/8"),
    ("168.63.129.16", "168.63.129.16/32"),
    ("169.254.169.254", "169.254.0.0/16"),
    ("169.254.170.2", "169.254.0.0/16"),
    ("172.16.0.0", "172.16.0.0/12"),
    ("172.31.255.255", "172.16.0.0/12"),
    ("192.0.0.192", "192.0.0.0/24"),
    ("192.0.2.1", "192.0.2.0/24"),
    ("192.88.99.1", "192.88.99.0/24"),
    ("192.168.255.255", "192.168.0.0/16"),
    ("198.18.0.1", "198.18.0.0/15"),
    ("198.51.100.1", "198.51.100.0/24"),
    ("203.0.113.1", "203.0.113.0/24"),
    ("224.0.0.1", "224.0.0.0/4"),
    ("239.255.255.255", "224.0.0.0/4"),
    ("240.0.0.1", "240.0.0.0/4"),
    ("255.255.255.255", "240.0.0.0/4"),
    ("::", "::/128"),
    ("::1", "::1/128"),
    ("::7f00:1", "::/96"),
    ("::ffff:127.0.0.1", "127.0.0.0/8"),
    ("::ffff:169.254.169.254", "169.254.0.0/16"),
    ("::ffff:0:7f00:1", "::/3"),
    ("64:ff9b::7f00:1", "64:ff9b::/96"),
    ("64:ff9b::808:808", "64:ff9b::/96"),
    ("64:ff9b:1::1", "64:ff9b:1::/48"),
    ("100::1", "100::/64"),
    ("2001::1", "2001::/32"),
    ("2001:1::1", "2001::/23"),
    ("2001:10::1", "2001::/23"),
    ("2001:db8::1", "2001:db8::/32"),
    ("2002:7f00:1::", "2002::/16"),
    ("3fff::1", "3fff::/20"),
    ("4000::1", "4000::/2"),
    ("5f00::1", "4000::/2"),
    ("fc00::1", "fc00::/7"),
    ("fd00:ec2::254", "fc00::/7"),
    ("fe80::1", "fe80::/10"),
    ("fe80::1%eth0", "fe80::/10"),
    ("fec0::1", "fec0::/10"),
    ("ff02::1", "ff00::/8"),
    ("8000::1", "8000::/1"),
]

PUBLIC = [
    "1.0.0.0",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.0.3.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "2000::1",
    "2001:200::1",
    "2003::1",
    "2606:4700::1111",
    "3ffe::1",
]


@pytest.mark.parametrize(("address", "network"), FORBIDDEN)
def test_a_special_address_is_forbidden_and_the_reason_names_its_network(address: str, network: str) -> None:
    objection = vet(ip_address(address), PUBLIC_ONLY)

    assert objection is not None
    assert objection.startswith(f"{network} is no public network (")


def test_the_reason_does_not_name_the_address() -> None:
    assert vet(ip_address("10.11.12.13"), PUBLIC_ONLY) == "10.0.0.0/8 is no public network (private)"


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert vet(ip_address(address), PUBLIC_ONLY) is None


def test_every_network_of_the_list_is_the_reason_for_some_address() -> None:
    reasons = {network for _, network in FORBIDDEN}

    assert reasons == {str(network) for network, _ in FORBIDDEN_NETWORKS}


@given(st.ip_addresses())
def test_what_the_standard_library_calls_not_global_is_forbidden(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global and vet(address, PUBLIC_ONLY) is None:
        assert isinstance(address, IPv6Address)
        assert address.ipv4_mapped is not None
        assert address.ipv4_mapped.is_global


def test_what_the_operator_allows_is_allowed_and_nothing_beside_it() -> None:
    rules = AddressRules(allowed_networks=(ip_network("127.0.0.1/32"), ip_network("fd00:1::/32")))

    assert vet(ip_address("127.0.0.1"), rules) is None
    assert vet(ip_address("::ffff:127.0.0.1"), rules) is None
    assert vet(ip_address("fd00:1::5"), rules) is None
    assert vet(ip_address("127.0.0.2"), rules) is not None
    assert vet(ip_address("::1"), rules) is not None
    assert vet(ip_address("fd00:2::5"), rules) is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "2606:4700::1111"])
def test_a_literal_address_is_told_from_a_name(host: str) -> None:
    assert str(literal_address(host)) == host


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f000001", "2130706433", "010.0.0.1", "[::1]", ""])
def test_other_spellings_are_names(host: str) -> None:
    assert literal_address(host) is None
