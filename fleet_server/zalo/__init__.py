"""The Zalo Official Account: its tokens, and how it is spoken to. Figures and error codes: docs/alerts.md."""
