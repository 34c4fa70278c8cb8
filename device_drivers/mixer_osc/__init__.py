"""Network mixers of the X32, M32 and X Air families."""
