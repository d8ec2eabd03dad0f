"""Staff: login, second factor and admin site."""
