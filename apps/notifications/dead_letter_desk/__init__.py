"""What operators do about dead letters: look through them, replay one or many, discard."""
