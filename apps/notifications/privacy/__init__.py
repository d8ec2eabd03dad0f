"""Privacy: redaction, erasure of a user's data, and retention."""
