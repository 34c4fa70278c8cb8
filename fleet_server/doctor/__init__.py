"""`diemcau-server doctor`: each module here looks at one thing and says what to do; it is found by being there."""
