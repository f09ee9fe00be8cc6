"""Reports of proofs."""
