"""The webhook POSTs that the tests send."""

from ipaddress import ip_network

from event_issuer.egress.addresses import AddressRules
from event_issuer.egress.messages import Outgoing
from event_issuer.egress.urls import parse_target

LOOPBACK = AddressRules(allowed_networks=(ip_network("127.0.0.0/8"),), http_allowed=True)
STRICT = AddressRules()
# Long enough never to be reached on a busy machine; tests of the deadline pass a short one.
PATIENT_S = 20.0
SHORT_S = 0.1


def outgoing(
    url: str,
    *,
    rules: AddressRules = LOOPBACK,
    head: bytes = b"",
    body: bytes = b"{}",
    timeout_s: float = PATIENT_S,
) -> Outgoing:
    return Outgoing(parse_target(url, LOOPBACK), rules, head, body, timeout_s)
