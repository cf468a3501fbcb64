"""What may be asked of grpc.health.v1.Health beside the services; a module of its own, for a probe loads little."""

LIVENESS = "liveness"
READINESS = "readiness"
