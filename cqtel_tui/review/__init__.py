"""Read a payload: bytes in, rows out. No I/O, no terminal."""
