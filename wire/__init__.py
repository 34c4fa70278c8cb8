"""The contract between a room and the centre: topics, messages, descriptions, times."""
