"""Bit masks of /proc/PID/status in words: signals and capabilities."""

from __future__ import annotations

# include/uapi/asm-generic/signal.h, bit 0 is signal 1; mips, alpha, sparc and parisc number some
# signals otherwise
SIGNALS = (
    *("HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV"),
    *("USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN"),
    *("TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS"),
)
_FIRST_REALTIME = 32  # the kernel's SIGRTMIN; the C library keeps two or three of them for itself
_OTHER_NUMBERS = ("mips", "alpha", "sparc", "parisc")

# include/uapi/linux/capability.h; the number is the bit
CAPABILITIES = (
    *("chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid"),
    *("setuid", "setpcap", "linux_immutable", "net_bind_service", "net_broadcast"),
    *("net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio"),
    *("sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice"),
    *("sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write"),
    *("audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm"),
    *("block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore"),
)


def _bits(mask: int) -> list[int]:
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]


def signals(mask: int, machine: str = "") -> list[str]:
    """Names without SIG, in the kernel's order; realtime ones as `RT0`, `RT1`, … from the kernel's
    first (32), and numbers where the machine's are not the common ones.
    """
    if machine.startswith(_OTHER_NUMBERS):
        return [str(bit + 1) for bit in _bits(mask)]
    return [SIGNALS[bit] if bit < len(SIGNALS) else f"RT{bit + 1 - _FIRST_REALTIME}" for bit in _bits(mask)]


def capabilities(mask: int) -> list[str]:
    """Names as capabilities(7) has them, in lower case and without CAP_; `unknown-41` for a bit that
    is newer than this list.
    """
    return [CAPABILITIES[bit] if bit < len(CAPABILITIES) else f"unknown-{bit}" for bit in _bits(mask)]
