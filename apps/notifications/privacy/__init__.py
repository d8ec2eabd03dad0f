"""What is blanked, deleted or forgotten, and when."""
