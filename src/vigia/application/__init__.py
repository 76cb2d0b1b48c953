"""What vigia does, in terms of ports: use cases, shards, services and the orchestrator."""
