"""A Liquid sandbox: parsing with HTML contexts, static analysis, bounded rendering. No models."""
