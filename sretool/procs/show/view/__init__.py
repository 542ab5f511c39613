"""One process on one screen."""

from sretool.procs.show.view.screen import shown

__all__ = ["shown"]
