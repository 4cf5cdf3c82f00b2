"""The GraphQL face: Strawberry types and inputs, where one field is one resolver call."""
