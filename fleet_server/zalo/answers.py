"""What an error code of Zalo asks of us (table of the Official Account API, and of templates by phone)."""

from enum import StrEnum


class Meaning(StrEnum):
    """What to do about it."""

    RENEW = "renew"
    """The access token is dead: a new one, and once more."""
    LATER = "later"
    """Over a rate, or it failed at their side."""
    NEXT = "next"
    """This person cannot be reached in this way now."""
    STOP = "stop"
    """The app, the account or its package: nothing goes out before somebody has seen to it."""
    CHANNEL = "channel"
    """Templates may not be sent, or not this one; groups and persons are written to as before."""
    OURS = "ours"
    """We said something wrong."""


_RENEW = {-216, -220, -124}
_LATER = {-32, -200}
_NEXT = {
    -213, -217, -227, -230, -232, -244, -234, -249,  # not a follower, blocked, window closed, silent at night
    -108, -114, -118, -119, -133, -139, -141,  # by phone: no such number, no Zalo, night, refused
    -211, -218, -144, -147,  # out of quota until its next window: too late for an alert
}  # fmt: skip
_STOP = {
    -219, -221, -223, -224, -209, -212, -320, -321, -204, -205, -235, -237, -403, -238, -241, -242, -1241,
}  # fmt: skip
_CHANNEL = {-115, -117, -126, -127, -131, -135, -1351, -136, -137, -146}


def meaning_of(code: int) -> Meaning:
    """Of an error; what nobody knows is taken for a fault of ours."""
    for meaning, codes in (
        (Meaning.RENEW, _RENEW), (Meaning.LATER, _LATER), (Meaning.NEXT, _NEXT), (Meaning.STOP, _STOP),
        (Meaning.CHANNEL, _CHANNEL),
    ):  # fmt: skip
        if code in codes:
            return meaning
    return Meaning.OURS
