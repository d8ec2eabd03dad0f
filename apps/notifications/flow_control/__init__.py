"""Control whether and how fast providers are called: rate limits and circuit breakers."""
