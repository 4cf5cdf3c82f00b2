"""Asks the JavaScript SDK anew and writes down what it answers: `python -m tests.interop.record`.

Run it when a test says that the recording is out of date: the checklist, the examples or what we write have changed,
or package.json names another version of the SDK. It needs Node 20 or later with npm, and once, for `npm ci`, a package
registry. The same questions, SDK and Node give the same file, byte for byte. Knows no differences: the tests judge.
"""

import json
import subprocess
from typing import Final

from tests.interop.javascript_sdk import FOLDER, RECORDED, JsonObject, Recording, questions

INSTALL_TIMEOUT_S: Final = 300  # 44 small packages
ANSWER_TIMEOUT_S: Final = 60  # the answers take a second


def main() -> None:
    install = ["npm", "ci", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(install, cwd=FOLDER, check=True, timeout=INSTALL_TIMEOUT_S)
    asked = questions()
    answered = _answers(list(asked.values()))
    exchanges = {
        name: {"asked": question, "answered": answer}
        for (name, question), answer in zip(asked.items(), answered, strict=True)
    }
    RECORDED.write_text(as_text({"made_with": _versions(), "exchanges": exchanges}), "utf-8")
    print(f"{len(exchanges)} exchanges are in {RECORDED}")


def _answers(asked: list[JsonObject]) -> list[JsonObject]:
    lines = "".join(json.dumps(question) + "\n" for question in asked)
    command = ["node", "answer.mjs"]
    finished = subprocess.run(
        command, cwd=FOLDER, input=lines, text=True, stdout=subprocess.PIPE, check=True, timeout=ANSWER_TIMEOUT_S
    )
    return [json.loads(line) for line in finished.stdout.rstrip("\n").split("\n")]


def _versions() -> dict[str, str]:
    package = json.loads((FOLDER / "node_modules/cloudevents/package.json").read_text("utf-8"))
    node = subprocess.run(["node", "--version"], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    return {"cloudevents": package["version"], "node": node.removeprefix("v")}


def as_text(recording: Recording) -> str:
    """JSON with an exchange a line, so that a change shows which answers have changed."""
    lines = ",\n".join(
        f"{json.dumps(name)}: {json.dumps(exchange)}" for name, exchange in recording["exchanges"].items()
    )
    return f'{{"made_with": {json.dumps(recording["made_with"])},\n"exchanges": {{\n{lines}\n}}}}\n'


if __name__ == "__main__":
    main()
