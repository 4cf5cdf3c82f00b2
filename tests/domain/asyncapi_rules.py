"""What makes an AsyncAPI 3.0.0 document right: the official JSON Schema, and references that lead somewhere."""

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

import jsonschema_rs

_SCHEMA = json.loads(gzip.decompress((Path(__file__).parent / "asyncapi_schema" / "3.0.0.json.gz").read_bytes()))
_VALIDATOR = jsonschema_rs.Draft7Validator(_SCHEMA, validate_formats=True, offline=True)


def faults(document: Mapping[str, object]) -> list[str]:
    """Empty for a right document."""
    found = [
        f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in _VALIDATOR.iter_errors(document)
    ]
    found += [f"{ref} leads nowhere" for ref in sorted(set(references(document))) if not _leads(document, ref)]
    return found


def references(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for member in value.values():
            yield from references(member)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def at(document: object, reference: str) -> object:
    """What a reference of the form `#/a/pointer` leads to. Raises LookupError."""
    value = document
    for token in unquote(reference.removeprefix("#")).split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list):
            value = value[int(key)]
        elif isinstance(value, Mapping):
            value = value[key]
        else:
            raise LookupError(reference)
    return value


def _leads(document: object, reference: str) -> bool:
    if not reference.startswith("#"):
        return True  # to another document
    try:
        at(document, reference)
    except LookupError:
        return False
    return True
