"""Numbers as people read them, for commands."""

from mc.formatting import show_bytes, show_time

__all__ = ["show_bytes", "show_time"]
