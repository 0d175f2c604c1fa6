"""Programs that earned it: published with evidence and a signature, demoted, revoked, used instead of a model."""
