"""What the program says of itself: logs, metrics and traces. Imports nothing of the parts that are told about."""
