"""The tally: what was sent, what became of it, what came out at the other end, and whether that is as it should be.

Knows neither the terminal nor the network. A delivery that outruns the API's answer must be told after that answer.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from event_issuer.demo.client import Result
from event_issuer.demo.receiver import Received
from event_issuer.demo.traffic import ACCEPTED, Entry, Outcome

Identity = tuple[str, str]  # a CloudEvent's source and id
COMPLAINTS_MAX: Final = 20  # as many as anybody reads


@dataclass(frozen=True, slots=True)
class Delivery:
    """One signed POST. `entry` is the accepted line that it carries, None for an event from elsewhere.

    `latency_s` counts from the moment at which the mutation was sent; `is_repeat` says that the line came before.
    """

    received: Received
    entry: Entry | None = None
    latency_s: float | None = None
    is_repeat: bool = False


@dataclass(slots=True)
class Tally:
    entries: Sequence[Entry]
    outcomes: dict[int, Outcome] = field(default_factory=dict)  # by line
    deliveries: dict[int, Delivery] = field(default_factory=dict)  # by line, the first of each
    complaints: list[str] = field(default_factory=list)
    _sent_at_s: dict[int, float] = field(default_factory=dict)
    _accepted: dict[Identity, Entry] = field(default_factory=dict)
    _last_line: dict[Identity, int] = field(default_factory=dict)  # by event type and partition key

    def sent(self, batch: Iterable[Entry], at_s: float) -> None:
        self._sent_at_s.update((entry.line, at_s) for entry in batch)

    def answered(self, entry: Entry, result: Result) -> None:
        broken = sorted((violation.path, violation.rule) for violation in result.violations)
        outcome = self.outcomes[entry.line] = Outcome(result.status, result.code, tuple(broken))
        if outcome.status == ACCEPTED.status:
            self._accepted[entry.attribute("source"), entry.attribute("id")] = entry
        if outcome != entry.expected:
            self._complain(f"Line {entry.line} became {_named(outcome)}, not {_named(entry.expected)}.")

    def delivered(self, received: Received) -> Delivery:
        """Finds the line that was delivered. What was never accepted, or arrives changed, is a complaint.

        What came without a check of its signature is a delivery to somebody else, and none of ours.
        """
        if received.is_signed is None:
            return Delivery(received)
        entry = self._accepted.get((received.attribute("source"), received.attribute("id")))
        if entry is None or not _is_same(entry, received):
            self._complain(f"Something that was never accepted was delivered: {received.attribute('id')}.")
            return Delivery(received)
        latency_s = received.at_s - self._sent_at_s[entry.line]
        if not received.is_signed:
            self._complain(f"Line {entry.line} was delivered without a good signature.")
            return Delivery(received, entry, latency_s)
        if entry.line in self.deliveries:
            return Delivery(received, entry, latency_s, is_repeat=True)
        self._note_order(entry)
        delivery = self.deliveries[entry.line] = Delivery(received, entry, latency_s)
        return delivery

    @property
    def is_complete(self) -> bool:
        """Whether every line was answered and every accepted one delivered."""
        return len(self.outcomes) == len(self.entries) and len(self.deliveries) == len(self._accepted)

    def verdict(self) -> list[str]:
        """What is not as it should be; empty when all is well."""
        silent = [f"Line {entry.line} got no answer." for entry in self.entries if entry.line not in self.outcomes]
        accepted = self._accepted.values()
        missing = [
            f"Line {one.line} was accepted and not delivered." for one in accepted if one.line not in self.deliveries
        ]
        return (self.complaints + silent + missing)[:COMPLAINTS_MAX]

    def counts(self) -> dict[str, Counter[str]]:
        """By event type: how many were sent, accepted, duplicate, refused and delivered."""
        counts: dict[str, Counter[str]] = {}
        for entry in self.entries:
            counter = counts.setdefault(entry.attribute("type"), Counter())
            outcome = self.outcomes.get(entry.line)
            counter["sent"] += entry.line in self._sent_at_s
            counter["accepted"] += outcome is not None and outcome.status == ACCEPTED.status
            counter["duplicate"] += outcome is not None and outcome.status == "DUPLICATE"
            counter["refused"] += outcome is not None and outcome.status == "REJECTED"
            counter["delivered"] += entry.line in self.deliveries
        return counts

    def latencies_s(self) -> list[float]:
        """From the mutation to the receipt, of each line that was delivered; sorted."""
        return sorted(one.latency_s for one in self.deliveries.values() if one.latency_s is not None)

    def _note_order(self, entry: Entry) -> None:
        """The first deliveries of a partition key are in the order of the log, within an event type."""
        key = (entry.attribute("type"), entry.attribute("partitionkey"))
        last = self._last_line.get(key, 0)
        if entry.line < last:
            self._complain(f"Line {entry.line} was delivered after line {last} of the same key.")
        self._last_line[key] = max(last, entry.line)

    def _complain(self, complaint: str) -> None:
        if len(self.complaints) < COMPLAINTS_MAX:
            self.complaints.append(complaint)


def _is_same(entry: Entry, received: Received) -> bool:
    attributes = {name: value for name, value in entry.event.items() if name not in ("data", "datacontenttype")}
    return received.data == entry.event.get("data") and attributes.items() <= received.attributes.items()


def _named(outcome: Outcome) -> str:
    broken = ", ".join(f"{path or '(data)'} {rule}" for path, rule in outcome.broken)
    return " ".join(filter(None, [outcome.status, outcome.code, broken]))
