"""End-to-end tests over HTTP, against processes that are started as a user starts them."""
