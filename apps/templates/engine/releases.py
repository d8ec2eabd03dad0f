"""The numbers of the engine. A version follows for good the rules it was saved under.

A published version is sent unchanged for years, so a stricter rule must not make it fail. What
prints a value better applies to all versions; what refuses a value, or changes its meaning, has a
new number.
"""

# Numbers and dates that are not understood print 0 or themselves; times are in UTC, in English.
FIRST = 1
# They are errors; times are in the recipient's zone, and words in the version's language.
CURRENT = 2
