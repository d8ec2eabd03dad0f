"""Bounces and complaints that arrive as mails: DSNs (RFC 3464) and abuse reports (RFC 5965)."""
