"""Webhooks: tell client applications what happened, signed, as Standard Webhooks 1.0.0 say."""
