"""Liquid in a sandbox: parsing with places, static reading, bounded rendering. Knows no model."""
