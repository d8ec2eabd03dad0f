"""Retention: old notifications are purged in small steps, and their counts are kept."""
