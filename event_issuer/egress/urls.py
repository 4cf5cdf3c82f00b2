"""Webhook URLs: one strict reading (RFC 3986), so that what was checked is what is connected to.

The standard library's parser forgives too much (it drops tabs and newlines, it takes `0x7f.1` for a name).
This module refuses whatever two parsers could read in two ways. It resolves nothing: names are vetted when
connecting.
"""

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Final

import idna

from event_issuer.domain.errors import BadInput
from event_issuer.egress.addresses import Address, AddressRules, literal_address, vet

# Longer ones break proxies and logs on the way; the CloudEvents subscription tools in use stop here too.
URL_LENGTH_MAX: Final = 2048
HOST_LENGTH_MAX: Final = 253  # RFC 1035, section 2.3.4, without the root's dot
DEFAULT_PORTS: Final = {"https": 443, "http": 80}

_URL = re.compile(r"([^:/?#]+)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?", re.DOTALL)  # RFC 3986, appendix B
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::(.*))?")
_PATH = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*")
_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")  # RFC 1123, section 2.1
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. `host` is lower-case ASCII, IPv6 without brackets; `origin` is RFC 6454's.

    `path` includes the query. `opening` is the request line of a POST and the Host header, encoded once so
    that sending only joins bytes. Neither is shown: paths of webhooks are often secret.
    """

    scheme: str
    host: str
    port: int
    origin: str
    path: str = field(repr=False)
    opening: bytes = field(repr=False)


def parse_target(url: str, rules: AddressRules) -> Target:
    """A webhook URL, read strictly. Raises BadInput that shows the faulty part and what would be right."""
    if not 0 < len(url) <= URL_LENGTH_MAX:
        raise BadInput(f"The URL has {len(url)} characters; 1 to {URL_LENGTH_MAX} are allowed.")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise BadInput("The URL is not absolute; it starts with 'https://' and a host.")
    scheme, authority, path, query, fragment = parts.groups()
    scheme = _scheme(scheme, rules)
    host, port = _host_and_port(authority, scheme)
    _refuse_forbidden(host, rules)
    if fragment is not None:
        raise BadInput("The URL has a fragment ('#...'), which is never sent; leave it out.")
    _check_characters("path", path, _PATH)
    _check_characters("query", query or "", _QUERY)
    return _target(scheme, host, port, (path or "/") + ("" if query is None else f"?{query}"))


def _target(scheme: str, host: str, port: int, path: str) -> Target:
    authority = f"[{host}]" if ":" in host else host
    if port != DEFAULT_PORTS[scheme]:
        authority += f":{port}"
    opening = f"POST {path} HTTP/1.1\r\nHost: {authority}\r\n".encode("ascii")
    return Target(scheme, host, port, f"{scheme}://{authority}", path, opening)


def _scheme(scheme: str, rules: AddressRules) -> str:
    lowered = scheme.lower()
    if lowered == "https" or (lowered == "http" and rules.http_allowed):
        return lowered
    allowed = "'https' or 'http'" if rules.http_allowed else "'https'"
    raise BadInput(f"The URL's scheme is {_shown(scheme)}; it must be {allowed}.")


def _host_and_port(authority: str, scheme: str) -> tuple[str, int]:
    if "@" in authority:
        raise BadInput("The URL carries user information before '@'; give credentials as authentication instead.")
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise BadInput(f"The URL's authority is {_shown(authority)}; it must be a host and at most one ':port'.")
    host, port = parts.groups()
    return _host(host), DEFAULT_PORTS[scheme] if port is None else _port(port)


def _port(port: str) -> int:
    # int() would take '+80', '8_0' and digits of other scripts.
    if re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535:
        return int(port)
    raise BadInput(f"The URL's port is {_shown(port)}; it must be a number from 1 to 65535.")


def _host(host: str) -> str:
    if host.startswith("["):
        return str(_ipv6(host))
    name = host.lower() if host.isascii() else _to_ascii(host)
    if len(name) > HOST_LENGTH_MAX or not _NAME.fullmatch(name):
        raise BadInput(
            f"The URL's host is {_shown(host)}; it must be a domain name of letters, digits and hyphens, "
            "or an IP address."
        )
    # What ends in a number is an IPv4 address to some readers, a name to others (WHATWG URL, "IPv4 parser").
    if _NUMBER.fullmatch(name.rpartition(".")[2]) and (literal_address(name) is None or not host.isascii()):
        raise BadInput(
            f"The URL's host is {_shown(host)}; an IPv4 address must be four decimal numbers from 0 to 255 "
            "without leading zeros."
        )
    return name


def _ipv6(host: str) -> Address:
    address = literal_address(host[1:-1])
    if isinstance(address, IPv6Address) and address.scope_id is None:
        return address
    raise BadInput(f"The URL's host is {_shown(host)}; in brackets it must be an IPv6 address without a zone.")


def _to_ascii(host: str) -> str:
    try:
        return idna.encode(host, uts46=True, std3_rules=True).decode("ascii")
    except UnicodeError:  # idna.IDNAError is one
        raise BadInput(f"The URL's host is {_shown(host)}, which is no internationalised domain name.") from None


def _refuse_forbidden(host: str, rules: AddressRules) -> None:
    address = literal_address(host)
    objection = None if address is None else vet(address, rules)
    if objection:
        raise BadInput(f"The URL's host is {_shown(host)}: {objection}; use a public address.")


def _check_characters(part: str, text: str, allowed: re.Pattern[str]) -> None:
    fault = allowed.match(text)
    end = fault.end() if fault else 0
    if end != len(text):
        raise BadInput(
            f"The URL's {part} has {_shown(text[end])} at its character {end + 1}; "
            "percent-encode what RFC 3986 does not allow there."
        )


def _shown(text: str) -> str:
    """Quoted, control characters and foreign scripts escaped, and short."""
    return ascii(text if len(text) <= 80 else text[:79] + "…")
