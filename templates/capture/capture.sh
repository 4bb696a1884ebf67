# What runs where the packets are: `sh -c THIS ciliumctl-capture WORK FOLDER …`. All that a user gave is an argument
# of its own; nothing of it is ever part of a script. Needs `sh`, `timeout`, `stat`, `tail` and `tcpdump`.
set -u
work=$1
folder=$2
shift 2

# The size of the capture so far, in bytes.
size() {
    stat -c %s "$folder/pcap" 2>/dev/null || echo 0
}

# Run the program for so many seconds, end it when its file is large enough, and keep the file for ten minutes. Whoever
# asked for it may be gone: everything here ends by itself.
keep() {
    seconds=$1
    bytes=$2
    shift 2
    (
        # Far above the limit, for the case that the file grows faster than it is looked at.
        ulimit -f $((bytes / 512 + 131072)) 2>/dev/null
        exec timeout -s INT "$seconds" "$@"
    ) 2>"$folder/said" &
    program=$!
    echo "$program" >"$folder/pid"
    while kill -0 "$program" 2>/dev/null; do
        if [ "$(size)" -ge "$bytes" ]; then
            : >"$folder/full"
            kill -INT "$program"
        fi
        sleep 0.3
    done
    wait "$program"
    echo $? >"$folder/code.part"
    mv "$folder/code.part" "$folder/code"
    left=600
    while [ -d "$folder" ] && [ "$left" -gt 0 ]; do
        sleep 1
        left=$((left - 1))
    done
    rm -rf "$folder"
}

case $work in
check)
    # With an absolute path of a program the shell would say 127, too.
    exec "$@"
    ;;
begin)
    umask 077
    mkdir "$folder" || exit 1
    # By `exec`, and not at the function: there the shell keeps the old ones, and who asked would wait for their end.
    (
        exec </dev/null >/dev/null 2>&1
        keep "$@"
    ) &
    tries=100
    while [ "$tries" -gt 0 ]; do
        grep -q 'listening on' "$folder/said" 2>/dev/null && exit 0
        [ -f "$folder/code" ] && break
        sleep 0.1
        tries=$((tries - 1))
    done
    cat "$folder/said" >&2
    [ ! -f "$folder/pid" ] || kill -INT "$(cat "$folder/pid")" 2>/dev/null
    rm -rf "$folder"
    exit 1
    ;;
watch)
    while [ -d "$folder" ] && [ ! -f "$folder/code" ]; do
        echo "size $(size)"
        sleep 1
    done
    [ -f "$folder/code" ] || exit 9
    cat "$folder/said" >&2
    [ ! -f "$folder/full" ] || echo full
    echo "end $(cat "$folder/code") $(size)"
    ;;
stream)
    seconds=$1
    shift
    umask 077
    mkdir "$folder" || exit 1
    timeout -s INT "$seconds" "$@" &
    program=$!
    echo "$program" >"$folder/pid"
    wait "$program"
    code=$?
    rm -rf "$folder"
    exit "$code"
    ;;
end)
    [ ! -f "$folder/pid" ] || kill -INT "$(cat "$folder/pid")" 2>/dev/null
    ;;
fetch)
    exec tail -c "+$(($1 + 1))" "$folder/pcap"
    ;;
forget)
    rm -rf "$folder"
    ;;
find)
    # The process of a container, by its id in the control groups; only one with another network than the node's.
    here=$(readlink /proc/self/ns/net)
    for id in "$@"; do
        for file in $(grep -l -- "$id" /proc/[0-9]*/cgroup 2>/dev/null); do
            process=${file#/proc/}
            process=${process%/cgroup}
            there=$(readlink "/proc/$process/ns/net" 2>/dev/null) || continue
            [ "$there" = "$here" ] || [ -z "$there" ] || {
                echo "$process"
                exit 0
            }
        done
    done
    exit 1
    ;;
esac
