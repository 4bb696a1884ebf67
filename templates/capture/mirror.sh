# What a mirror is on a node: `sh -c THIS ciliumctl-mirror WORK SESSION …`, in a pod with the node's network and
# processes. Everything is an argument of its own. Needs `sh`, `ip` and `tc`; the kernel needs veth, vxlan, the
# classifier u32 and the action mirred.
#
# A pod's packets are copied at its interface (u32, mirred) into a cable of their own, whose other end is on the node,
# or with a target on the same node right there. From the node they go by VXLAN to the other one. So nothing of a
# mirror ever goes through an interface that is mirrored, and it cannot feed itself.
set -u
work=$1
session=$2
# The third and the fourth say what is mirrored to where, for who lists the pods; nothing here depends on them.
shift 4

into=mir-$session      # in the pod, one end of the cable
from=mih-$session      # on the node, its other end
tunnel=mix-$session    # on the node, to the other one
target=mirror-$session # where the copies arrive
# Ours among the filters of an interface: from 40000 to 47999.
pref=$((40000 + 0x$session % 8000))

fail() {
    echo "failed: $*"
    exit 1
}

# The process of a container with a network of its own, by the container's id in the control groups.
process_of() {
    here=$(readlink /proc/self/ns/net)
    for id in $1; do
        for file in $(grep -l -- "$id" /proc/[0-9]*/cgroup 2>/dev/null); do
            process=${file#/proc/}
            process=${process%/cgroup}
            there=$(readlink "/proc/$process/ns/net" 2>/dev/null) || continue
            if [ -n "$there" ] && [ "$there" != "$here" ]; then
                echo "$process"
                return
            fi
        done
    done
}

# Give the network of a pod a name that outlives its processes.
attach() {
    process=$(process_of "$2")
    [ -n "$process" ] || fail "the pod's processes are not found on this node"
    ip netns attach "$1" "$process" || fail "the pod's network cannot be entered"
}

# A link that carries copies and nothing else: no address, no ARP. Its alias says whose it is, and until when.
quiet() {
    name=$1
    shift
    "$@" link set "$name" addrgenmode none arp off alias "ciliumctl until $until${length:+ queue $length}" up
}

# What of ours is over on this node, because whoever was to undo it was killed.
sweep() {
    now=$(date +%s)
    for name in $(ip -o link | sed -n 's/^[0-9]*: \(mi[hx]-[0-9a-f]*\|mirror-[0-9a-f]*\)[@:].*/\1/p'); do
        over=$(ip link show dev "$name" | sed -n 's/.*alias ciliumctl until \([0-9]*\).*/\1/p')
        if [ -n "$over" ] && [ "$over" -lt "$now" ]; then
            ip link delete dev "$name"
        fi
    done
}

# The numbers of our filters in one direction.
ours() {
    tc -n "s-$session" filter show dev "$device" "$1" 2>/dev/null |
        sed -n 's/.* pref \(4[0-7][0-9][0-9][0-9]\) u32.*/\1/p' | sort -u
}

# Take away filters of ours whose cable is gone.
sweep_filters() {
    alive=" "
    for name in $(ip -n "s-$session" -o link | sed -n 's/^[0-9]*: mir-\([0-9a-f]*\)[@:].*/\1/p'); do
        alive="$alive$((40000 + 0x$name % 8000)) "
    done
    for way in ingress egress; do
        for number in $(ours "$way"); do
            case $alive in *" $number "*) ;; *) tc -n "s-$session" filter delete dev "$device" "$way" pref "$number" ;; esac
        done
    done
}

filters_left() {
    tc -n "s-$session" filter show dev "$device" ingress 2>/dev/null
    tc -n "s-$session" filter show dev "$device" egress 2>/dev/null
}

# The length of the interface's queue, which the kernel sets where it is zero and filters come.
queue() {
    ip -n "s-$session" -o link show dev "$device" | sed -n 's/.* qlen \([0-9]*\).*/\1/p'
}

# The place where filters hang; ours to take away when we made it, or when one of ours did. What the queue was stands in
# the alias of each cable, for the mirror that ends last.
hang() {
    if tc -n "s-$session" qdisc show dev "$device" | grep -q '^qdisc clsact'; then
        sweep_filters
        length=$(ip -n "s-$session" link | sed -n 's/.*alias ciliumctl until [0-9]* queue \([0-9]*\).*/\1/p' | head -n 1)
        [ -z "$(ours ingress)$(ours egress)" ] || echo "$length" >"/tmp/mirror-$session.hung"
        return 0
    fi
    length=$(queue)
    length=${length:-0}
    tc -n "s-$session" qdisc add dev "$device" clsact || return 1
    echo "$length" >"/tmp/mirror-$session.hung"
}

mirror() {
    # `continue`: filters that come after ours are asked, too.
    tc -n "s-$session" filter add dev "$device" "$1" protocol all pref "$pref" \
        u32 match u32 0 0 action mirred egress mirror dev "$into" continue
}

# Undo all of it, in whatever state it is. A second time there is nothing to do.
undo() {
    remains=0
    if [ -n "${device:-}" ] && ip netns list 2>/dev/null | grep -q "^s-$session\b"; then
        for way in ingress egress; do
            tc -n "s-$session" filter delete dev "$device" "$way" pref "$pref" 2>/dev/null
        done
        if [ -f "/tmp/mirror-$session.hung" ] && [ -z "$(filters_left)" ]; then
            tc -n "s-$session" qdisc delete dev "$device" clsact 2>/dev/null
            length=$(cat "/tmp/mirror-$session.hung")
            [ -z "$length" ] || ip -n "s-$session" link set dev "$device" txqueuelen "$length" 2>/dev/null
        fi
        ip -n "s-$session" link delete dev "$into" 2>/dev/null
        remains=$(($(filters_left | grep -c " pref $pref ") + $(ip -n "s-$session" -o link | grep -c " $into[@:]")))
    fi
    ip link delete dev "$from" 2>/dev/null
    ip link delete dev "$tunnel" 2>/dev/null
    ip link delete dev "$target" 2>/dev/null
    if ip netns list 2>/dev/null | grep -q "^t-$session\b"; then
        ip -n "t-$session" link delete dev "$target" 2>/dev/null
        ip netns delete "t-$session"
    fi
    if ip netns list 2>/dev/null | grep -q "^s-$session\b"; then
        ip netns delete "s-$session"
    fi
    rm -f "/tmp/mirror-$session.hung" "/tmp/mirror-$session.device"
}

# Mirror until the time is up, until we are told to end, or until one of the two pods is gone.
stay() {
    trap 'undo; echo ended; exit 0' TERM INT
    echo ready
    while [ "$(date +%s)" -lt "$until" ]; do
        sleep 1 &
        wait $!
        there || break
    done
    undo
    echo ended
}

case $work in
source)
    ttl=$1 containers=$2 device=$3 direction=$4 vni=$5 port=$6 local=$7 remote=$8 beside=$9
    until=$(($(date +%s) + ttl))
    trap 'undo; exit 1' TERM INT
    echo "$device" >"/tmp/mirror-$session.device"
    sweep
    attach "s-$session" "$containers"
    there() { ip -n "s-$session" link show dev "$device" >/dev/null 2>&1 && ip -n "s-$session" link show dev "$into" >/dev/null 2>&1; }
    set_up() {
        if [ -n "$remote" ]; then
            ip link add "$into" mtu 65535 type veth peer name "$from" mtu 65535 &&
                ip link add "$tunnel" type vxlan id "$vni" local "$local" remote "$remote" dstport "$port" nolearning &&
                quiet "$tunnel" ip && quiet "$from" ip &&
                tc qdisc add dev "$from" clsact &&
                tc filter add dev "$from" ingress protocol all pref 1 \
                    u32 match u32 0 0 action mirred egress redirect dev "$tunnel" || return 1
        else
            ip link add "$into" mtu 65535 type veth peer name "$target" mtu 65535 || return 1
            if [ "$beside" = - ]; then
                quiet "$target" ip || return 1
            else
                attach "t-$session" "$beside"
                ip link set "$target" netns "t-$session" && quiet "$target" ip -n "t-$session" || return 1
            fi
        fi
        ip link set "$into" netns "s-$session" && hang && quiet "$into" ip -n "s-$session" || return 1
        case $direction in both | ingress) mirror ingress || return 1 ;; esac
        case $direction in both | egress) mirror egress || return 1 ;; esac
    }
    said=$(set_up 2>&1) || {
        undo
        fail "$said"
    }
    ip -n "s-$session" -o link show dev "$device" | sed -n 's/.* mtu \([0-9]*\).*/mtu pod \1/p'
    if [ -n "$remote" ]; then
        out=$(ip -o route get "$remote" | sed -n 's/.* dev \([^ ]*\).*/\1/p')
        ip -o link show dev "$out" | sed -n 's/.* mtu \([0-9]*\).*/mtu way \1/p'
    fi
    stay
    ;;
sink)
    ttl=$1 containers=$2 vni=$3 port=$4 local=$5 remote=$6
    until=$(($(date +%s) + ttl))
    trap 'undo; exit 1' TERM INT
    sweep
    [ "$containers" = - ] || attach "t-$session" "$containers"
    there() { [ "$containers" = - ] || ip -n "t-$session" link show dev "$target" >/dev/null 2>&1; }
    set_up() {
        ip link add "$target" type vxlan id "$vni" local "$local" remote "$remote" dstport "$port" nolearning || return 1
        if [ "$containers" = - ]; then
            quiet "$target" ip
        else
            ip link set "$target" netns "t-$session" && quiet "$target" ip -n "t-$session"
        fi
    }
    said=$(set_up 2>&1) || {
        undo
        fail "$said"
    }
    stay
    ;;
undo)
    device=$(cat "/tmp/mirror-$session.device" 2>/dev/null)
    undo
    left=$((remains + $(ip -o link | grep -c " \(mir\|mih\|mix\|mirror\)-$session[@:]")))
    echo "left: $left links or filters"
    [ "$left" = 0 ]
    ;;
esac
