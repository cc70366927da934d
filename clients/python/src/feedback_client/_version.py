"""The version of this package, told to the server in User-Agent."""

__version__ = "0.1.0"
