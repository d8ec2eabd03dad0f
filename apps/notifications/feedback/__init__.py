"""What comes back from outside after the send: receipts, and people who unsubscribe."""
