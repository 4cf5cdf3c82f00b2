"""The trial of schemas in a process that can be killed."""
