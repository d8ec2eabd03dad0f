"""SendGrid's event webhook: its signature, and what its events mean."""
