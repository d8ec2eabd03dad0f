"""How fast a provider is called, and whether at all: limits and circuit breakers."""
