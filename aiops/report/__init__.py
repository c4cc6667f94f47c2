"""The two HTML reports of a run: one to share, one that stays."""
