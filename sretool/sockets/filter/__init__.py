"""The filter language of `sockets list`: that of ss, and the fields of a row."""
