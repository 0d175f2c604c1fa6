"""Who is asked over HTTP by the ledger: a signer that holds its key, witnesses that cosign."""
