"""The built-in texts of mails about accounts. They are part of the code and cannot be edited."""
