"""Errors of profiles and blueprints.

ProfileError
└── WrongFile   a file that does not follow its schema, or contradicts another
"""


class ProfileError(Exception):
    """A profile or blueprint cannot be used; the text names file and place."""


class WrongFile(ProfileError):
    """A file does not follow its schema."""
