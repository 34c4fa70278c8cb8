"""The agent: watches one room's equipment, reports it, keeps its log, executes its commands."""
