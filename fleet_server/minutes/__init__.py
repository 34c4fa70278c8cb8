"""The technical minute of a session (biên bản kiểm tra kỹ thuật): found, decided, done, as PDF and Excel."""
