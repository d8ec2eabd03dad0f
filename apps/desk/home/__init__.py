"""The home page: how much goes out, how well, how fast, and what needs attention."""
