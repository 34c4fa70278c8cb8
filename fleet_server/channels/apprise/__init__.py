"""A hundred services more, through Apprise."""
