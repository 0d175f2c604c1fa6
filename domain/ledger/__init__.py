"""The ledger: a Merkle tree over the log, signed, so that anyone can prove that the record is whole."""
