"""The process in which strangers' schemas are compiled, tried and compared; it may be killed at any moment.

Reads one JSON object per line and answers each with one line. To `{"definition": …, "example": …}` the answer is
`{}` if the schema can be registered, else `{"detail": …, "violations": [[path, rule, message], …]}`; to
`{"sampled": definition}` it is `{"sample": text or null}`, a JSON text that keeps the schema; the third question is
that of event_issuer.contracts.comparing. It has no secrets (its environment is bare), bounded memory and a low
priority. It knows no event types and keeps nothing.
"""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from event_issuer.contracts import comparing, probes
from event_issuer.domain.contracts import Contract, check_definition
from event_issuer.domain.errors import SchemaInvalid
from event_issuer.domain.sampling import sample_of
from event_issuer.domain.violations import refusal

READY = b"ready\n"
# An event is judged on the server's event loop; this is the longest that a schema may hold it for one document
# of `probes.VALUES_MAX` values or one text of `probes.TEXT_CHARS` characters.
JUDGING_S_MAX = 0.005
# A version is compiled when a server first needs it, once, also on the event loop.
COMPILING_S_MAX = 0.1
# Too slow is what is too slow so many times: what disturbs a run only ever makes it longer.
_RUNS = 3
_NICENESS = 10


def main() -> None:
    """Arguments: bytes of memory to take; seconds after which a question ends the process, should nobody else."""
    memory_bytes, alarm_s = int(sys.argv[1]), float(sys.argv[2])
    _limit_memory(memory_bytes)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICENESS)
    _write(READY)
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_REAL, alarm_s)  # SIGALRM's default action ends a process held in C code
        answer = _answer(json.loads(line))
        signal.setitimer(signal.ITIMER_REAL, 0)
        _write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")


def _limit_memory(more_bytes: int) -> None:
    """Beyond what the interpreter and its libraries have taken by now. Only Linux says how much that is."""
    usage = Path("/proc/self/statm")
    if usage.exists():
        limit = int(usage.read_text().split()[0]) * resource.getpagesize() + more_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def _answer(request: dict[str, Any]) -> dict[str, object]:
    if comparing.is_question(request):
        return comparing.answer(request)
    if "sampled" in request:
        return {"sample": sample_of(request["sampled"])}
    try:
        try_schema(request["definition"], request["example"])
    except SchemaInvalid as refusal:
        violations = [[found.path, found.rule, found.message] for found in refusal.violations]
        return {"detail": refusal.detail, "violations": violations}
    return {}


def try_schema(definition: object, example: object) -> None:
    """Check, compile and try a schema; an `example` that is not None must keep it. Raises `SchemaInvalid`."""
    check_definition(definition)
    assert isinstance(definition, dict)
    contract = Contract(definition)
    _refuse_if_slow(partial(Contract, definition), COMPILING_S_MAX, "To compile the schema")
    violations = contract.violations(example) if example is not None else ()
    if violations:
        raise SchemaInvalid(f"The example breaks the schema: {violations[0].message}", violations=violations)
    for document in probes.documents(contract.expansion):
        what = f"To judge a document of up to {probes.VALUES_MAX} values"
        _refuse_if_slow(partial(contract.accepts, document), JUDGING_S_MAX, what)
    for pattern in contract.expansion.patterns:
        matches = Contract({"pattern": pattern}).accepts
        for text in probes.texts(pattern):
            what = f"To match {pattern:.80} with {len(text)} characters"
            _refuse_if_slow(partial(matches, text), JUDGING_S_MAX, what)


def _refuse_if_slow(run: Callable[[], object], seconds_max: float, what: str) -> None:
    if all(_cpu_s(run) > seconds_max for _ in range(_RUNS)):
        raise refusal("expense", f"{what} takes longer than {seconds_max * 1e3:.0f} ms")


def _cpu_s(run: Callable[[], object]) -> float:
    """The processor time of this thread: other processes do not count."""
    start = time.thread_time()
    run()
    return time.thread_time() - start


if __name__ == "__main__":
    main()
