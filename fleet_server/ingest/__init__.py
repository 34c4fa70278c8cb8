"""Taking in what rooms say."""
