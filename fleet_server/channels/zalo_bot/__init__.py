"""A bot on Zalo, for provinces without a paid account."""
