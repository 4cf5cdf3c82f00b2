"""The API's enumerations, each with what its values mean."""

from enum import Enum

import strawberry

from event_issuer.domain import (
    access,
    compatibility,
    explaining,
    position_loss,
    schema_changes,
    subscriptions,
    unreadable,
    verdicts,
)
from event_issuer.eventlog import reading
from event_issuer.graphql.fields import value
from event_issuer.resolvers import importing, produce


@strawberry.enum(name="Audience", description="Who may consume an event type.")
class AudienceEnum(Enum):
    OPEN = value(access.Audience.OPEN.value, "Every tenant.")
    TENANT = value(access.Audience.TENANT.value, "The owner's tenant.")
    GRANTED = value(access.Audience.GRANTED.value, "Who holds a policy for it (default).")


@strawberry.enum(name="Action", description="What a policy lets its subject do.")
class ActionEnum(Enum):
    CONSUME = value(access.Action.CONSUME.value, "Receive the events of an event type.")
    PRODUCE = value(access.Action.PRODUCE.value, "Send events of an event type.")
    MANAGE_EVENT_TYPES = value(access.Action.MANAGE_EVENT_TYPES.value, "Make and change event types.")
    MANAGE_SUBSCRIPTIONS = value(access.Action.MANAGE_SUBSCRIPTIONS.value, "Make and change subscriptions.")
    MANAGE_ACCESS = value(access.Action.MANAGE_ACCESS.value, "Make and change principals, keys and policies.")
    READ_AUDIT = value(access.Action.READ_AUDIT.value, "Read who changed what.")


@strawberry.enum(description="What a next schema version must keep.")
class CompatibilityMode(Enum):
    NONE = value("NONE", "Nothing.")
    FORWARD = value("FORWARD", "Old code can read new events (default).")
    BACKWARD = value("BACKWARD", "New code can read old events.")
    FULL = value("FULL", "Both.")
    FORWARD_TRANSITIVE = value("FORWARD_TRANSITIVE", "FORWARD with every earlier version.")
    BACKWARD_TRANSITIVE = value("BACKWARD_TRANSITIVE", "BACKWARD with every earlier version.")
    FULL_TRANSITIVE = value("FULL_TRANSITIVE", "FULL with every earlier version.")


@strawberry.enum(description="Whether a schema may follow the earlier ones.")
class CompatibilityVerdict(Enum):
    COMPATIBLE = value(compatibility.CompatibilityVerdict.COMPATIBLE.value, "It may: that is proved.")
    INCOMPATIBLE = value(
        compatibility.CompatibilityVerdict.INCOMPATIBLE.value, "It may not: `problems` have the documents that show it."
    )
    UNDECIDED = value(
        compatibility.CompatibilityVerdict.UNDECIDED.value, "Neither was found out; refused like INCOMPATIBLE."
    )


_Change = schema_changes.ChangeKind


@strawberry.enum(description="In which way a part of a schema is not what it was.")
class SchemaChangeKind(Enum):
    ADDED = value(_Change.ADDED.value, "It was not there.")
    REMOVED = value(_Change.REMOVED.value, "It is no longer there.")
    CHANGED = value(_Change.CHANGED.value, "It is another one.")
    WIDENED = value(_Change.WIDENED.value, "It takes more than before.")
    NARROWED = value(_Change.NARROWED.value, "It takes less than before.")
    ANNOTATION = value(_Change.ANNOTATION.value, "What it says for people; it judges as before.")


@strawberry.enum(description="How records are judged that reach the log from outside the API.")
class ValidationMode(Enum):
    ENFORCED = value(verdicts.ValidationMode.ENFORCED.value, "One that breaks its contract is a dead letter (default).")
    QUARANTINE = value(verdicts.ValidationMode.QUARANTINE.value, "One that breaks its contract is held.")
    OFF = value(verdicts.ValidationMode.OFF.value, "Not at all.")


@strawberry.enum(description="What became of an event that breaks its contract and came from outside the API.")
class QuarantineStanding(Enum):
    HELD = value(verdicts.Standing.HELD.value, "It waits to be released or discarded.")
    DEAD_LETTERED = value(verdicts.Standing.DEAD_LETTERED.value, "Its type enforces its contract: never delivered.")
    RELEASED = value(verdicts.Standing.RELEASED.value, "It was delivered after all, or is being delivered.")
    DISCARDED = value(verdicts.Standing.DISCARDED.value, "It will never be delivered.")


@strawberry.enum(description="What a schema registry is shown.")
class SchemaRegistryCredentialsKind(Enum):
    BASIC = value("BASIC", "A name and a password (RFC 7617).")
    BEARER = value("BEARER", "A bearer token (RFC 6750).")
    API_KEY = value("API_KEY", "A key in a header of its own.")


_Outcome = importing.ImportOutcome


@strawberry.enum(description="What became of a subject that was to be imported.")
class ImportOutcome(Enum):
    CREATED = value(_Outcome.CREATED.value, "It is a new event type.")
    UPDATED = value(_Outcome.UPDATED.value, "Its event type got the versions that were new.")
    UNCHANGED = value(_Outcome.UNCHANGED.value, "Its event type had all its versions.")
    REFUSED = value(_Outcome.REFUSED.value, "Nothing of it was taken; `problem` says why.")


_Reason = unreadable.UnreadableReason


@strawberry.enum(description="Why a record from outside the API is no event that can be delivered.")
class UnreadableReason(Enum):
    HEADER_NOT_UTF8 = value(_Reason.HEADER_NOT_UTF8.value, "A header of an attribute is not UTF-8.")
    HEADER_TWICE = value(_Reason.HEADER_TWICE.value, "A header of an attribute occurs more than once.")
    ATTRIBUTE_MISSING = value(_Reason.ATTRIBUTE_MISSING.value, "An attribute that every event has is missing.")
    ATTRIBUTE_NAME = value(_Reason.ATTRIBUTE_NAME.value, "An attribute has a name that none may have.")
    ATTRIBUTE_VALUE = value(_Reason.ATTRIBUTE_VALUE.value, "An attribute is not what CloudEvents says that it is.")
    SPECVERSION = value(_Reason.SPECVERSION.value, "It is an event of another version than 1.0.")
    TIME = value(_Reason.TIME.value, "Its time is no RFC 3339 timestamp.")
    EVENT_FORMAT = value(_Reason.EVENT_FORMAT.value, "It is in an event format other than JSON, or a batch.")
    ENVELOPE = value(_Reason.ENVELOPE.value, "It says that it is an event in JSON, and is no JSON object.")
    DATA = value(_Reason.DATA.value, "Its data are not what their type says.")
    NOT_A_NUMBER = value(_Reason.NOT_A_NUMBER.value, "It has NaN or Infinity, which JSON does not have.")
    CONFLUENT_FORMAT = value(_Reason.CONFLUENT_FORMAT.value, "Behind a schema id there is something else than JSON.")
    CONTENT_TYPE = value(_Reason.CONTENT_TYPE.value, "It is no CloudEvent, and says that it is no JSON.")
    NO_PLAIN_RULE = value(_Reason.NO_PLAIN_RULE.value, "It is no CloudEvent, and `plainJsonSource` is not set.")
    TOO_LARGE = value(_Reason.TOO_LARGE.value, "It is larger than events may be.")
    INTERNAL = value(_Reason.INTERNAL.value, "It could not be read; the fault is ours.")


@strawberry.enum(description="Whether an event type is still to be used.")
class EventTypeStatus(Enum):
    ACTIVE = value("ACTIVE", "It is.")
    DEPRECATED = value("DEPRECATED", "It will go; see `sunsetAt`.")


@strawberry.enum(description="What became of an event that was sent in.")
class ProduceStatus(Enum):
    PERSISTED = value(produce.ProduceStatus.PERSISTED.value, "It is in the log, for good.")
    DUPLICATE = value(
        produce.ProduceStatus.DUPLICATE.value, "The same event was in the log already; that one is given."
    )
    POSSIBLY_PERSISTED = value(
        produce.ProduceStatus.POSSIBLY_PERSISTED.value,
        "No answer came from the log: send it again, it is recognised if it is there.",
    )
    REJECTED = value(produce.ProduceStatus.REJECTED.value, "It is not in the log; `problem` and `violations` say why.")


@strawberry.enum(description="A place to begin.")
class StartPoint(Enum):
    EARLIEST = value(reading.StartPoint.EARLIEST.value, "The oldest event that is kept.")
    LATEST = value(reading.StartPoint.LATEST.value, "The heads of this moment (default).")


_Status = subscriptions.Status


@strawberry.enum(description="The state of a subscription.")
class WebhookSubscriptionStatus(Enum):
    INITIALIZING = value(_Status.INITIALIZING.value, "The endpoint has not yet agreed to receive.")
    STARTING = value(_Status.STARTING.value, "It agreed; delivery is about to begin.")
    RUNNING = value(_Status.RUNNING.value, "Events are delivered.")
    STOPPING = value(_Status.STOPPING.value, "No request starts any more; those under way are being written down.")
    STOPPED = value(_Status.STOPPED.value, "Nothing is sent; it can be started again.")
    FAILED = value(_Status.FAILED.value, "The endpoint refused for good; see `errors`.")
    RESTART = value(_Status.RESTART.value, "Settings changed; delivery takes them up.")


@strawberry.enum(description="The HTTP form of a delivery (CloudEvents HTTP binding).")
class ContentMode(Enum):
    BINARY = value(subscriptions.ContentMode.BINARY.value, "Attributes in headers, data as the body (default).")
    STRUCTURED = value(
        subscriptions.ContentMode.STRUCTURED.value,
        "The whole event as one JSON document, `application/cloudevents+json`.",
    )
    BATCH = value(
        subscriptions.ContentMode.BATCH.value,
        "Several events of a partition as one JSON array, `application/cloudevents-batch+json`; see `delivery.batch`.",
    )


@strawberry.enum(description="The order of first deliveries.")
class Ordering(Enum):
    PER_KEY = value(subscriptions.Ordering.PER_KEY.value, "In log order per partition key, one at a time (default).")
    NONE = value(subscriptions.Ordering.NONE.value, "As fast as the endpoint takes them.")
    STRICT = value(
        subscriptions.Ordering.STRICT.value,
        "Everything in log order per partition, one at a time; a failure holds up all.",
    )


@strawberry.enum(description="What becomes of a key whose head is a dead letter.")
class OnDeadLetter(Enum):
    CONTINUE = value(subscriptions.OnDeadLetter.CONTINUE.value, "The events behind it follow (default).")
    HOLD_KEY = value(
        subscriptions.OnDeadLetter.HOLD_KEY.value,
        "The key stays blocked until the dead letter is retried with success, or discarded.",
    )


@strawberry.enum(description="How an endpoint agrees to receive.")
class VerificationMethod(Enum):
    AUTOMATIC = value("AUTOMATIC", "By whatever method is offered (default).")
    OPTIONS_HANDSHAKE = value(subscriptions.Verification.OPTIONS_HANDSHAKE.value, "CloudEvents webhook handshake.")
    NONE = value(subscriptions.Verification.NONE.value, "Not at all; only where the operator allows it.")


@strawberry.enum(description="Why a request was sent.")
class AttemptKind(Enum):
    DELIVERY = value("DELIVERY", "To deliver an event.")
    PROBE = value("PROBE", "To see whether an endpoint that failed is back; the event spends no attempt on it.")
    REPLAY = value("REPLAY", "To deliver an event again, in a replay; also where it is a probe.")
    TEST = value("TEST", "To try the endpoint with a test event, which is not in the log.")


@strawberry.enum(name="OnPositionLost", description="Where a subscription goes on when the log lost its position.")
class OnPositionLostEnum(Enum):
    EARLIEST = value(position_loss.OnPositionLost.EARLIEST.value, "With the first event that is there (default).")
    LATEST = value(position_loss.OnPositionLost.LATEST.value, "Behind the last event that is there.")
    FAIL = value(position_loss.OnPositionLost.FAIL.value, "Nowhere: it is FAILED until its owner has decided.")


@strawberry.enum(description="What came of a request.")
class AttemptOutcome(Enum):
    DELIVERED = value("DELIVERED", "The endpoint answered 2xx.")
    RETRY = value("RETRY", "It failed in a way that may pass.")
    REFUSED = value("REFUSED", "The endpoint does not want this event.")
    GONE = value("GONE", "The endpoint wants no more requests.")


_Verdict = explaining.DeliveryVerdict


@strawberry.enum(description="What became of an event on its way to a subscription.")
class DeliveryVerdict(Enum):
    DELIVERED = value(_Verdict.DELIVERED.value, "The endpoint took it.")
    IN_FLIGHT = value(_Verdict.IN_FLIGHT.value, "The process that answers is sending it at this moment.")
    PENDING = value(_Verdict.PENDING.value, "It waits for its turn, or another process is sending it.")
    PARKED = value(_Verdict.PARKED.value, "It failed and waits for its next attempt.")
    BEHIND_KEY = value(_Verdict.BEHIND_KEY.value, "An earlier event of its partition key failed and blocks the key.")
    DEAD_LETTERED = value(_Verdict.DEAD_LETTERED.value, "It failed for good.")
    FILTERED_OUT = value(_Verdict.FILTERED_OUT.value, "The subscription does not take it.")
    QUARANTINED = value(_Verdict.QUARANTINED.value, "It came from outside the API and breaks its contract.")
    NOT_SUBSCRIBED = value(_Verdict.NOT_SUBSCRIBED.value, "Its event type is none of the subscription's.")
    BEFORE_START = value(_Verdict.BEFORE_START.value, "It was in the log before the subscription began.")
    NOT_RUNNING = value(_Verdict.NOT_RUNNING.value, "The subscription does not deliver.")
    NOT_ALLOWED = value(_Verdict.NOT_ALLOWED.value, "You may not consume events of its type, or no longer.")
    UNKNOWN = value(_Verdict.UNKNOWN.value, "There is no such event, or nothing is on record of it any more.")
