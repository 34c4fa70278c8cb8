"""The closed list of units. A page knows how to write each of them; a new one is added here first."""

from typing import Literal

Unit = Literal["", "s", "ms", "min", "h", "percent", "celsius", "mbit_s", "bytes", "px", "volt", "db", "dbfs"]
