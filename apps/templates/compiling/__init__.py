"""What is made of the HTML of a mail when a version is saved."""
