"""Passwords: who has none is compared with at the same cost, in vain."""

from argon2 import extract_parameters

from fleet_server.people import proofs

PASSWORD = "mật-khẩu-dài-2026"


def test_who_has_no_password_is_compared_with_a_hash_of_the_same_costs() -> None:
    kept = proofs.password_hash(PASSWORD, "lan")
    assert extract_parameters(proofs._NOBODYS) == extract_parameters(kept)
    assert proofs.is_password(kept, PASSWORD) and not proofs.is_password(kept, PASSWORD + "x")
    assert not proofs.is_password("", PASSWORD) and not proofs.is_password("", "")
