"""The log on Kafka: one topic per event type, and what the database must know of it."""
