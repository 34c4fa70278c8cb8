"""Errors of profiles and blueprints.

ProfileError
├── NotYaml     a text that is no YAML document
└── WrongFile   a file that does not follow its schema, or contradicts another
"""


class ProfileError(Exception):
    """A profile or blueprint cannot be used; the text names file and place."""


class NotYaml(ProfileError):
    """A text is no YAML document; `line` is counted from 1."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(f"line {line}: {reason}")
        self.reason, self.line = reason, line


class WrongFile(ProfileError):
    """A file does not follow its schema."""
