"""What rooms and devices should be: data, their schema, one loader."""
