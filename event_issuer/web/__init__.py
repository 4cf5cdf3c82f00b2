"""The HTTP face: routes, the CloudEvents HTTP binding, problem documents and health."""
