"""A small schema registry on loopback: it numbers schemas, keeps versions of subjects, and refuses like Confluent's."""

import json
from urllib.parse import unquote

from tests.egress.receiver import Peer, Receiver, Receivers

STATUSES = {200: "OK", 401: "Unauthorized", 404: "Not Found", 409: "Conflict", 422: "Unprocessable Entity"}
Answer = tuple[int, object]


class Registry:
    """`authorization` is what each request has to show; `sealed` subjects take no further version."""

    def __init__(self, authorization: str | None = None, sealed: frozenset[str] = frozenset()) -> None:
        self.receiver: Receiver
        self.ids: dict[str, int] = {}
        self.subjects: dict[str, list[dict[str, object]]] = {}
        self.levels: dict[str, str] = {}
        self._authorization, self._sealed = authorization, sealed

    @classmethod
    async def start(
        cls, receivers: Receivers, authorization: str | None = None, sealed: frozenset[str] = frozenset()
    ) -> "Registry":
        registry = cls(authorization, sealed)
        registry.receiver = await receivers(registry.act)
        return registry

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.receiver.port}"

    def add(self, subject: str, schema: str, **more: object) -> int:
        """As another client of the registry does."""
        versions = self.subjects.setdefault(subject, [])
        for version in versions:
            if version["schema"] == schema:
                return int(str(version["id"]))
        id_ = self.ids.setdefault(schema, len(self.ids) + 1)
        versions.append({"subject": subject, "version": len(versions) + 1, "id": id_, "schema": schema, **more})
        return id_

    async def act(self, peer: Peer) -> None:
        head, _, body = self.receiver.requests[-1].partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        method, path, _ = lines[0].split(" ")
        headers = {name.lower(): text for name, text in (line.split(": ", 1) for line in lines[1:])}
        if self._authorization is not None and headers.get("authorization") != self._authorization:
            status, answer = _error(401, 40101, "User cannot access the resource.")
        else:
            status, answer = self._answer(method, [unquote(part) for part in path.split("/")[1:]], body)
        content = json.dumps(answer).encode()
        await peer.write(
            f"HTTP/1.1 {status} {STATUSES[status]}\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )

    def _answer(self, method: str, path: list[str], body: bytes) -> Answer:
        match method, path:
            case "GET", ["config", asked] if asked.endswith("?defaultToGlobal=true"):
                return 200, {"compatibilityLevel": self.levels.get(asked.partition("?")[0], "BACKWARD")}
            case "GET", ["subjects"]:
                return 200, sorted(self.subjects)
            case "GET", ["subjects", subject, "versions"] if subject in self.subjects:
                return 200, [version["version"] for version in self.subjects[subject]]
            case "GET", ["subjects", subject, "versions", asked] if subject in self.subjects:
                versions = self.subjects[subject]
                found = versions[-1:] if asked == "latest" else versions[int(asked) - 1 : int(asked)]
                return (200, found[0]) if found else _error(404, 40402, "Version not found.")
            case "POST", ["subjects", subject, "versions"]:
                return self._register(subject, json.loads(body))
        return _error(404, 40401, f"Subject '{path[1] if len(path) > 1 else ''}' not found.")

    def _register(self, subject: str, asked: dict[str, str]) -> Answer:
        if asked["schemaType"] != "JSON" or not asked["schema"].startswith("{"):
            return _error(422, 42201, "Invalid schema")
        if subject in self._sealed:
            return _error(409, 409, "Schema being registered is incompatible with an earlier schema")
        return 200, {"id": self.add(subject, asked["schema"], schemaType="JSON")}


def _error(status: int, code: int, message: str) -> Answer:
    return status, {"error_code": code, "message": message}
