"""Say what would become of a request, rule by rule, without sending or storing anything.

The rules are those of intake and delivery themselves: their functions judge here as well.
"""
