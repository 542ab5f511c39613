"""What a trace says is wrong: with how it ended, with a delegation, with a server."""

from sretool.dns.trace.checks.delegation import glue_missing, ns_cycle, ns_mismatch, ns_unresolvable
from sretool.dns.trace.checks.ending import (
    cname_loop,
    cname_too_long,
    intercepted,
    no_answer,
    nodata,
    nxdomain,
)
from sretool.dns.trace.checks.servers import (
    edns_refused,
    family_unreachable,
    lame_server,
    server_timeout,
    servers_disagree,
    tcp_failed,
)

CHECKS = (
    intercepted,
    no_answer,
    cname_loop,
    cname_too_long,
    nxdomain,
    nodata,
    lame_server,
    server_timeout,
    family_unreachable,
    tcp_failed,
    glue_missing,
    ns_unresolvable,
    ns_cycle,
    ns_mismatch,
    servers_disagree,
    edns_refused,
)
