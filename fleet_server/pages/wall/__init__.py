"""The wall screen of the NOC."""
