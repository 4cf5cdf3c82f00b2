"""Addresses a request may go to: an own list of forbidden networks, and what the operator allows.

`ipaddress.is_global` is no judge here: it takes multicast, NAT64, 6to4, site-local and others for global. The
list follows the IANA special-purpose address registries (RFC 6890) and adds what clouds hide elsewhere.
This module knows nothing of names: whoever resolves one vets each of its addresses.
"""

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# The first network that holds an address names the reason, so narrow ones stand before wide ones.
FORBIDDEN_NETWORKS: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ip_network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by carriers, and Alibaba's metadata"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "Azure's host, inside its virtual machines"),
        ("169.254.0.0/16", "link-local, and the metadata of most clouds"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments, and Oracle's metadata"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relays"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarks"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved, and broadcast"),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b::/96", "NAT64: an IPv4 address in disguise"),
        ("64:ff9b:1::/48", "NAT64: an IPv4 address in disguise"),
        ("100::/64", "discard"),
        ("2001::/32", "Teredo: an IPv4 address in disguise"),
        ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4: an IPv4 address in disguise"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "unique local, and Amazon's metadata"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
        # Only 2000::/3 is given out for global unicast; these three are all the rest of IPv6.
        ("::/3", "not global unicast"),
        ("4000::/2", "not global unicast"),
        ("8000::/1", "not global unicast"),
    )
)


@dataclass(frozen=True, slots=True, eq=False)
class AddressRules:
    """What the operator allows beyond public addresses over https: `allowed_networks` (loopback…) and http.

    Compared by identity, because it is half of the sender's pool key: make one and pass it to every request.
    """

    allowed_networks: tuple[Network, ...] = ()
    http_allowed: bool = False


def vet(address: Address, rules: AddressRules) -> str | None:
    """Why `address` may not be contacted, or None. An IPv4-mapped address is judged as the IPv4 one it holds.

    The answer names the network, not the address: a tenant must not learn what the operator's resolver knows.
    """
    address = _unmapped(address)
    if any(address in network for network in rules.allowed_networks):
        return None
    for network, reason in FORBIDDEN_NETWORKS:
        if address in network:
            return f"{network} is no public network ({reason})"
    return None


def literal_address(host: str) -> Address | None:
    """The address that `host` spells in the one canonical way, or None if it is a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _unmapped(address: Address) -> Address:
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
