"""A resolver that answers as it was told, and remembers what it was asked."""

from ipaddress import ip_address

from event_issuer.egress.resolver import Answer, Unresolved


class Names:
    """`names["host"] = ["address address", …]`: one entry per lookup, the last one for good."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._answers: dict[str, list[str]] = {}

    def __setitem__(self, host: str, answers: list[str]) -> None:
        self._answers[host] = list(answers)

    async def resolve(self, host: str) -> Answer:
        self.asked.append(host)
        answers = self._answers.get(host)
        if answers is None:
            return Unresolved("Name or service not known")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return tuple(map(ip_address, answer.split()))
