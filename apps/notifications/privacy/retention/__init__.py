"""Old notifications leave in small steps; their counts stay."""
