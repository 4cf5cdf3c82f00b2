"""IncrementalAlterConfigs (KIP-339), which aiokafka does not have: sets some of a topic's settings, others stay."""

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String

_TOPIC = 2  # the kind of resource
_SET = 0


class _Response(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _Request(RequestStruct):  # type: ignore[misc]
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                (
                    "configs",
                    Array(("name", String("utf-8")), ("config_operation", Int8), ("value", String("utf-8"))),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class SetTopicSettings(Request[_Request]):  # type: ignore[misc]
    API_KEY = 44

    def __init__(self, topic: str, settings: dict[str, str]) -> None:
        self._topic, self._settings = topic, settings

    def build(self, request_struct_class: type[_Request]) -> _Request:
        configs = [(name, _SET, value) for name, value in self._settings.items()]
        return request_struct_class([(_TOPIC, self._topic, configs)], False)
