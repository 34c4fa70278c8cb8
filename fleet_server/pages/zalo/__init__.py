"""The province's account at Zalo."""
