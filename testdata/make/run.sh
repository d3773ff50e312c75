#!/bin/sh
# Makes everything under testdata/ anew: starts the real servers one after the other, sends them the planned traffic,
# and keeps the logs they wrote. Needs root, for a network of its own in which the documentation addresses live.
#
#   testdata/make/run.sh             all of them
#   testdata/make/run.sh nginx caddy only these
set -eu
here=$(cd "$(dirname "$0")" && pwd)

[ "$(id -u)" = 0 ] || { echo "run.sh: needs root: it makes a network namespace whose loopback owns 203.0.113.0/24 and the like" >&2; exit 1; }
for tool in unshare ip python3 nginx apache2 caddy haproxy lighttpd; do
    command -v "$tool" >/dev/null || {
        echo "run.sh: $tool is missing: apt-get install util-linux iproute2 python3 nginx-light apache2 caddy haproxy lighttpd libfaketime" >&2
        exit 1
    }
done

# Inside the namespace every address of these blocks is our own, so that clients connect from them and servers log
# what they really see. None of them belongs to anybody (RFC 5737, RFC 3849, RFC 2544), and nothing leaves the machine.
exec unshare -n sh -c '
    ip link set lo up
    for block in 192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 198.18.0.0/15; do ip route add local "$block" dev lo; done
    ip -6 route add local 2001:db8::/32 dev lo
    echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind
    exec python3 -B "$0" "$@"' "$here/make.py" "$@"
