"""Staff: their login, their second factor, their site."""
