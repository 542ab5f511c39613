# Packets are lost on the way between sockets of this host. Of many connections, since one that
# loses the same segment again and again waits longer each time.
# sample: 3
# subject: *
inject() {
    ip link set lo up
    tc qdisc add dev lo root netem loss 10%
    systemd-run --quiet --unit=stream python3 -c '
import socket, threading, time
def drain(peer):
    while peer.recv(65536):
        pass
def talk(client):
    while True:
        client.sendall(bytes(1000))
        time.sleep(0.02)
server = socket.create_server(("127.0.0.1", 8081), backlog=64)
for _ in range(20):
    client = socket.create_connection(("127.0.0.1", 8081))
    for job, end in ((drain, server.accept()[0]), (talk, client)):
        threading.Thread(target=job, args=(end,)).start()'
    await 'nstat -asz TcpRetransSegs | grep -q "[1-9][0-9]"'
}
heal() {
    systemctl stop stream.service
    tc qdisc del dev lo root
}
