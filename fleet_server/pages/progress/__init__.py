"""How far every site has come."""
