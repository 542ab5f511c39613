"""sretool: what is wrong with this host, with evidence and the next step."""

__version__ = "0.1.0"
