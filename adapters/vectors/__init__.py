"""Points by nearness: in this process, in Qdrant's engine, on a Qdrant server."""
