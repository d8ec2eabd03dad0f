"""Whole stories, told over HTTP to processes that are started as a user starts them."""
