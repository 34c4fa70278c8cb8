"""Ways to reach people, one folder each, found by being there."""
