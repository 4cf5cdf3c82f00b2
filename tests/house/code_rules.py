"""The rules of the house for code: each takes a parsed module and returns its complaints, `path:line: what`.

Nothing is imported or run: the rules read syntax trees only.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FUNCTION_LINES_MAX = 59
FILE_LINES_MAX = 399
FORBIDDEN_NAMES = frozenset({"common", "core", "helper", "helpers", "misc", "service", "services", "util", "utils"})
SLEEPS = frozenset({"time.sleep", "asyncio.sleep", "anyio.sleep"})
MOCKS = ("mock", "unittest.mock", "pytest_mock")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One Python file; `path` is relative to the repository."""

    path: Path
    source: str
    tree: ast.Module

    @classmethod
    def parse(cls, path: str | Path, source: str) -> "Module":
        return cls(Path(path), source, ast.parse(source))

    def complaint(self, node: ast.AST, text: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {text}"


def long_functions(module: Module) -> list[str]:
    """A function has fewer than 60 lines, its docstring included."""
    functions = (node for node in ast.walk(module.tree) if isinstance(node, Function))
    lengths = ((node, (node.end_lineno or node.lineno) - node.lineno + 1) for node in functions)
    return [
        module.complaint(node, f"{node.name} has {length} lines, at most {FUNCTION_LINES_MAX}")
        for node, length in lengths
        if length > FUNCTION_LINES_MAX
    ]


def long_files(module: Module) -> list[str]:
    """A file has fewer than 400 lines."""
    length = len(module.source.splitlines())
    if length <= FILE_LINES_MAX:
        return []
    return [module.complaint(module.tree, f"the file has {length} lines, at most {FILE_LINES_MAX}")]


def vague_names(module: Module) -> list[str]:
    """A module is named by what it knows, not by what it might be for."""
    vague = [part for part in module.path.with_suffix("").parts if part in FORBIDDEN_NAMES]
    return [module.complaint(module.tree, f"{name!r} says nothing: name the thing") for name in vague]


def missing_docstrings(module: Module) -> list[str]:
    """A module opens with what it is and what it does not know; an empty `__init__.py` needs no words."""
    if not module.tree.body or ast.get_docstring(module.tree):
        return []
    return [module.complaint(module.tree, "the module has no docstring")]


def mocks(module: Module) -> list[str]:
    """Tests use real parts and pass in what varies; nothing is patched."""
    names = _imported_names(module.tree)
    patched = {dotted for dotted in names.values() if dotted.startswith(MOCKS)}
    found = [module.complaint(module.tree, f"imports {dotted}: use the real part") for dotted in sorted(patched)]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.arg) and node.arg == "mocker":
            found.append(module.complaint(node, "takes mocker: use the real part"))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "monkeypatch.setattr":
            found.append(module.complaint(node, "patches with monkeypatch.setattr: pass the part in"))
    return found


def sleeps(module: Module) -> list[str]:
    """Tests wait for events or step a clock of their own; `asyncio.sleep(0)` only yields and is allowed."""
    names = _imported_names(module.tree)
    calls = (node for node in ast.walk(module.tree) if isinstance(node, ast.Call))
    return [
        module.complaint(call, f"{ast.unparse(call)}: wait for an event or step the clock")
        for call in calls
        if _full_name(call.func, names) in SLEEPS and [ast.unparse(arg) for arg in call.args] != ["0"]
    ]


_SQL = re.compile(
    r"\bSELECT\b.+\bFROM\b|\bINSERT (OR \w+ )?INTO\b|\bUPDATE\b.+\bSET\b|\bDELETE FROM\b"
    r"|\b(CREATE|ALTER|DROP) TABLE\b",
    re.DOTALL,
)


def sql_outside_db(module: Module) -> list[str]:
    """SQL, known by its keywords in capitals, is written in db/ only."""
    if module.path.parts[:2] == ("event_issuer", "db"):
        return []
    return [
        module.complaint(node, f"SQL outside db/: {text[:60]!r}")
        for node, text in _strings(module.tree)
        if _SQL.search(text)
    ]


def unguarded_resolvers(module: Module) -> list[str]:
    """A public resolver takes `caller` first and authorises it before it does anything else.

    A resolver is a public method of a class that has coroutines or takes a caller, or a public coroutine
    of the module itself.
    """
    found = []
    for function, arguments in _resolvers(module.tree):
        if not arguments or arguments[0].arg != "caller":
            found.append(module.complaint(function, f"{function.name} does not take `caller` first"))
        elif not _authorises(_first_statement(function)):
            found.append(module.complaint(function, f"{function.name} does not authorise `caller` first"))
    return found


def _resolvers(tree: ast.Module) -> Iterator[tuple[Function, list[ast.arg]]]:
    """Every resolver with its arguments, `self` left out."""
    for node in tree.body:
        if isinstance(node, ast.AsyncFunctionDef) and _is_public(node):
            yield node, _arguments(node)
        if isinstance(node, ast.ClassDef) and _is_public(node) and not _is_protocol(node):
            methods = [item for item in node.body if isinstance(item, Function) and _is_public(item)]
            if any(isinstance(method, ast.AsyncFunctionDef) or _takes_caller(method) for method in methods):
                yield from ((method, _arguments(method)[1:]) for method in methods)


def _is_public(node: Function | ast.ClassDef) -> bool:
    return not node.name.startswith("_")


def _is_protocol(node: ast.ClassDef) -> bool:
    return any(ast.unparse(parent).split("[")[0].endswith("Protocol") for parent in node.bases)


def _arguments(function: Function) -> list[ast.arg]:
    return function.args.posonlyargs + function.args.args


def _takes_caller(function: Function) -> bool:
    return any(argument.arg == "caller" for argument in _arguments(function) + function.args.kwonlyargs)


def _first_statement(function: Function) -> ast.stmt | None:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[0] if body else None


def _authorises(statement: ast.stmt | None) -> bool:
    """Whether the statement is a guard on `caller`, plain or awaited; a conditional one does not count."""
    match statement:
        case ast.Expr(value=value) | ast.Assign(value=value) | ast.AnnAssign(value=value):
            call = value.value if isinstance(value, ast.Await) else value
        case ast.With(items=[first, *_]) | ast.AsyncWith(items=[first, *_]):
            call = first.context_expr
        case _:
            return False
    return isinstance(call, ast.Call) and _is_guard(call)


def _is_guard(call: ast.Call) -> bool:
    path = ast.unparse(call.func).split(".")
    arguments = [ast.unparse(arg) for arg in call.args] + [ast.unparse(word.value) for word in call.keywords]
    return path[-1].lstrip("_").startswith(("authorise", "require_")) and (path[0] == "caller" or "caller" in arguments)


def _strings(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    """Every string literal but docstrings; the holes of an f-string read `?`."""
    quiet = {id(statement.value) for statement in ast.walk(tree) if isinstance(statement, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            quiet.update(map(id, node.values))
            yield node, "".join(_text(part) or "?" for part in node.values)
        elif isinstance(node, ast.Constant) and id(node) not in quiet and (text := _text(node)):
            yield node, text


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: `from time import sleep as nap` gives {"nap": "time.sleep"}."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _full_name(node: ast.expr, names: dict[str, str]) -> str:
    """The dotted name of what is called, with the module's own imports resolved."""
    head, dot, rest = ast.unparse(node).partition(".")
    return f"{names.get(head, head)}{dot}{rest}"
