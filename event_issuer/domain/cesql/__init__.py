"""CloudEvents SQL expressions (CESQL 1.0.0): parsed once, evaluated per event. Knows attributes, and no data."""
