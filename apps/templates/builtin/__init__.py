"""What the system itself says in mails about accounts: texts in the code, for nobody to edit."""
