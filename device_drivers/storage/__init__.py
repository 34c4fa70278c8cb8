"""The disk that takes the recording."""
