"""What we are compared with: each small, and as good as its kind gets."""
