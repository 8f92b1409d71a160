"""The speeds of DataXPipe: `make bench` seeds a database of its own, starts the real server and measures it."""
