"""Half-open connections inside a test's own network namespace."""

# argv: destination (an address of this namespace), port, how many. SYNs from addresses that never answer, by
# a raw socket: the kernel takes what is sent to itself without asking whether the source is plausible, and
# answers into lo, where nobody has that address.
HALF_OPEN = """
import socket, struct, subprocess, sys
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
subprocess.run(["ip", "route", "replace", "198.51.100.0/24", "dev", "lo"], check=True)
to, port, count = socket.inet_aton(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for number in range(count):
    source = socket.inet_aton(f"198.51.100.{1 + number % 250}")
    tcp = struct.pack("!HHIIBBHHH", 1024 + number // 250, port, 1, 0, 0x50, 2, 65535, 0, 0)
    made = checksum(source + to + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", made) + tcp[18:]
    raw.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, source, to) + tcp, (sys.argv[1], 0))
print("ready", flush=True); sys.stdin.read()
"""
