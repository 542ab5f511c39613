"""What is wrong with this host's sockets, as a whole."""

from sretool.sockets.summary.checks.closing import close_wait, orphans, time_wait
from sretool.sockets.summary.checks.memory import tcp_memory, udp_receive_errors
from sretool.sockets.summary.checks.opening import ephemeral_ports, syn_backlog
from sretool.sockets.summary.checks.paths import retransmissions_by_peer

CHECKS = (
    ephemeral_ports,
    close_wait,
    syn_backlog,
    udp_receive_errors,
    tcp_memory,
    orphans,
    time_wait,
    retransmissions_by_peer,
)

__all__ = ["CHECKS"]
