"""The desk: the pages of operators, authors and support people, in the frame of Django's admin."""
