"""The server around the engine: sockets, files, processes, policy."""
