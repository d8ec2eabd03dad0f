"""The texts of the system's own mails. They are part of the code and cannot be edited."""
