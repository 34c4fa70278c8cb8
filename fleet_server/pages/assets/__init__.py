"""Style sheets, modules, fonts and libraries."""
