"""Scapy as an oracle: it must not read this host's routes, which takes long where there are many."""

from __future__ import annotations

import logging

logging.getLogger("scapy").setLevel(logging.ERROR)

from scapy.config import conf  # noqa: E402

conf.route_autoload = conf.route6_autoload = False

from scapy.contrib import mpls  # noqa: E402
from scapy.layers import inet, inet6  # noqa: E402

__all__ = ["inet", "inet6", "mpls"]
