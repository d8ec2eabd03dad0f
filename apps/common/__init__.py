"""What every app needs and no app owns. Knows no other app."""
