"""A template message on Zalo, by the person's id or telephone number."""
