"""What is wrong with this host's addresses."""

from __future__ import annotations

from collections.abc import Iterator

from sretool.net.addrs.model import Links
from sretool.report.answer import Evidence, Finding, Subject
from sretool.report.check import NotApplicable, Rule, Unknown, check


@check(
    id="addr.duplicate",
    title="another host has this address",
    reads="the flags of every address (RTM_GETADDR, IFA_FLAGS)",
    window="since the address was set: the kernel looks once, then",
    remedy="find the other host by the hardware address in the kernel's message, give one of the two another "
    "address, then remove and add this one: the kernel does not try again",
    refs=("RFC 4862 section 5.4", "kernel:net/ipv6/addrconf.c addrconf_dad_failure"),
)
def duplicate(model: Links, rule: Rule[Links]) -> Iterator[Finding]:
    """Duplicate address detection found another host on the link with the same IPv6 address. The
    kernel keeps the address and does not use it: nothing is sent from it, and nothing that is sent
    to it arrives.

    IPv4 has no such detection in the kernel: of an IPv4 address nothing is known here.
    """
    seen = False
    for link in model.links:
        if link.addresses is None:
            raise Unknown("the addresses could not be read")
        for address in link.addresses:
            seen = seen or address.family == "inet6"
            if "dadfailed" not in address.flags:
                continue
            yield rule.finding(
                "warning",
                f"{address.local} on {link.ifname} is not used: another host on the link has it",
                subject=Subject("interface", link.ifname),
                evidence=[
                    Evidence("flags", ", ".join(address.flags), source="RTM_GETADDR IFA_FLAGS"),
                ],
                next=["dmesg | grep -i 'duplicate address'"],
            )
    if not seen:
        raise NotApplicable("no IPv6 address")


CHECKS: tuple[Rule[Links], ...] = (duplicate,)
