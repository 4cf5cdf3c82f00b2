"""CloudEvents to start tests from, and Hypothesis strategies for all that may stand in one."""

from hypothesis import strategies as st

from event_issuer.domain.events import CloudEvent
from event_issuer.domain.json_format import event_from_json

MEMBERS: dict[str, object] = {
    "specversion": "1.0",
    "id": "7f3a",
    "source": "/banenor/tios",
    "type": "cloud.open.operational.train-arrived.v1",
}
ATTRIBUTES = {name: str(value) for name, value in MEMBERS.items()}


def members(**others: object) -> dict[str, object]:
    """A well-formed event in the JSON event format, with members added or replaced."""
    return MEMBERS | others


def event(**others: object) -> CloudEvent:
    return event_from_json(members(**others))[0]


# Core §3.1: what a String may hold.
texts = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), max_size=30)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@st.composite
def json_events(draw: st.DrawFn) -> dict[str, object]:
    """Well-formed events in the JSON event format, with JSON data, text, bytes or none."""
    found = members(id=draw(texts.filter(bool)), type=draw(texts.filter(bool)))
    for name in draw(st.sets(st.sampled_from(["subject", "partitionkey"]))):
        found[name] = draw(texts.filter(bool))
    names = st.from_regex(r"\Aext[a-z0-9]{0,9}\Z")
    found |= draw(st.dictionaries(names, texts | st.booleans() | st.integers(-(2**31), 2**31 - 1), max_size=4))
    match draw(st.sampled_from(["none", "json", "text", "bytes"])):
        case "json":
            found["data"] = draw(json_values)
        case "text":
            found |= {"datacontenttype": "text/plain", "data": draw(st.text(st.characters(exclude_categories=["Cs"])))}
        case "bytes":
            encoded = draw(st.from_regex(r"\A(?:[A-Za-z0-9+/]{4}){0,9}\Z"))
            found |= {"datacontenttype": "application/octet-stream", "data_base64": encoded}
    return found
