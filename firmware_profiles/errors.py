"""Errors of profiles and blueprints.

ProfileError
└── WrongBlueprint   a file that does not follow the schema
"""


class ProfileError(Exception):
    """A profile or blueprint cannot be used; the text names file and place."""


class WrongBlueprint(ProfileError):
    """A blueprint does not follow the schema."""
