"""The door of a simulated camera that wants HTTP Digest (RFC 7616) of whoever asks it by SOAP."""

import hashlib
import re
import secrets


class DigestDoor:
    """`refusals` counts whom it did not let in by a wrong answer."""

    def __init__(self, username: str, password: str) -> None:
        self._username, self._password = username, password
        self._nonce = secrets.token_hex(8)
        self.refusals = 0

    @property
    def challenge(self) -> str:
        """What it asks for."""
        return f'Digest realm="camera", qop="auth", nonce="{self._nonce}", algorithm=MD5'

    def lets_in(self, head: str) -> bool:
        """Whether this request's head gives the right answer."""
        line = re.search(r"(?im)^authorization: *Digest (.+)$", head)
        if line is None:
            return False
        given = {name: value.strip('"') for name, value in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', line[1])}
        method = head.partition(" ")[0]
        who = _md5(f"{self._username}:camera:{self._password}")
        what = _md5(f"{method}:{given.get('uri', '')}")
        wanted = _md5(f"{who}:{self._nonce}:{given.get('nc', '')}:{given.get('cnonce', '')}:auth:{what}")
        is_right = given.get("username") == self._username and given.get("response") == wanted
        self.refusals += not is_right
        return is_right


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - the algorithm of the challenge
