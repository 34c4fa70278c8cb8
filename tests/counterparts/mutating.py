"""Bytes as an enemy or a broken device would send them: right ones with something wrong in them, or nothing right."""

import random
import socket
import threading
from contextlib import suppress


def mutated(right: bytes, chance: random.Random) -> bytes:
    """The bytes with one to eight faults: bits, cuts, doubles, noise, runs, other lengths."""
    found = bytearray(right)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(found) + 1)
        kind = chance.randrange(7)
        if kind == 0 and found:
            found[at % len(found)] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del found[at : at + chance.randint(1, 40)]
        elif kind == 2:
            found[at:at] = found[at : at + chance.randint(1, 60)]
        elif kind == 3:
            found[at:at] = chance.randbytes(chance.randint(1, 40))
        elif kind == 4:
            found[at:at] = bytes([chance.choice(b'\x00\xff<>&"{}[]%\r\n:9-')]) * chance.randint(1, 300)
        elif kind == 5:
            found[at : at + 4] = chance.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"9999", b"-1e9", b"NaN "])
        else:
            del found[at:]
    return bytes(found)


class MutatingProxy:
    """Between a driver and its equipment: answers pass, and of every few one is changed. `changed` counts them."""

    def __init__(self, port: int, datagrams: bool, seed: int) -> None:
        self._far, self._chance = ("127.0.0.1", port), random.Random(seed)
        self.changed = 0
        self._datagrams = datagrams
        self._near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM)
        self._near.bind(("127.0.0.1", 0))
        self.port: int = self._near.getsockname()[1]
        if not datagrams:
            self._near.listen(64)
        threading.Thread(target=self._packets if datagrams else self._connections, daemon=True).start()

    def close(self) -> None:
        """Stop; what is open ends by itself."""
        with suppress(OSError):
            self._near.shutdown(socket.SHUT_RDWR)
        self._near.close()

    def _answer(self, right: bytes) -> bytes:
        if self._chance.random() < 0.5:
            return right
        self.changed += 1
        return mutated(right, self._chance)

    def _packets(self) -> None:
        far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        far.connect(self._far)
        asker: list[tuple[str, int]] = []

        def back() -> None:
            with suppress(OSError):
                while True:
                    found = far.recv(65_535)
                    if asker:
                        self._near.sendto(self._answer(found)[:65_000], asker[0])

        threading.Thread(target=back, daemon=True).start()
        with suppress(OSError):
            while True:
                found, address = self._near.recvfrom(65_535)
                if address is None:
                    break  # closed
                asker[:] = [address]
                far.send(found)
        far.close()

    def _connections(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._near.accept()
                try:
                    far = socket.create_connection(self._far, 2)
                except OSError:
                    near.close()
                    continue
                threading.Thread(target=self._carry, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._carry, args=(far, near, True), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:
        try:
            while found := source.recv(65_535):
                target.sendall(self._answer(found) if is_answer else found)
        except OSError:
            pass
        finally:
            for line in (source, target):
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
                line.close()
