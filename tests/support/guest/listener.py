"""A listener on port 8080 with a short backlog that does not accept, and clients that keep coming.

`listener.py spin` works instead of waiting; `listener.py clients` are the clients alone.
"""

import socket
import sys
import time

what = sys.argv[1] if len(sys.argv) > 1 else ""
if what != "clients":
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", 8080))
    server.listen(4)
    while what == "spin":
        pass
    time.sleep(3600)
held = []
while True:
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", 8080))
    held = [client, *held][:300]
    time.sleep(0.02)
