# Read what Cilium needs of a node, and what others left there. Changes nothing.
# Wants besides: OPTIONS (kernel options, with |), PORTS (hex, with |), CNI_CONF, CNI_BIN.
release=$(uname -r)
CNI_CONF=$(real "$CNI_CONF")
CNI_BIN=$(real "$CNI_BIN")

config_file() {
  for file in /proc/config.gz "$HOST/boot/config-$release" "$HOST/lib/modules/$release/config" \
    "$HOST/usr/lib/modules/$release/config" "$HOST/lib/kernel/config-$release"; do
    if [ -r "$file" ]; then
      echo "$file"
      return
    fi
  done
}
kernel_config() {
  case $1 in
    *.gz) if have zcat; then limited zcat "$1"; else limited chroot "$HOST" zcat "$1"; fi ;;
    ?*) cat "$1" ;;
  esac | grep -E "^(# )?CONFIG_($OPTIONS)[ =]"
}
btf() { [ -r /sys/kernel/btf/vmlinux ] && echo yes; }
mounts() { grep -E ' - (bpf|cgroup|cgroup2) ' /proc/1/mountinfo | head -n 100; }
sysctls() {
  for name in net/ipv4/ip_forward net/ipv6/conf/all/forwarding net/ipv6/conf/all/disable_ipv6 \
    net/ipv4/conf/all/rp_filter net/ipv4/conf/default/rp_filter net/core/bpf_jit_enable net/core/bpf_jit_limit \
    net/bridge/bridge-nf-call-iptables kernel/unprivileged_bpf_disabled kernel/pid_max kernel/threads-max \
    fs/inotify/max_user_instances fs/inotify/max_user_watches vm/max_map_count net/netfilter/nf_conntrack_max; do
    [ -r "/proc/sys/$name" ] && echo "$name $(cat "/proc/sys/$name")"
  done
  for file in /proc/sys/net/ipv4/conf/*/rp_filter; do
    echo "${file#/proc/sys/} $(cat "$file")"
  done | head -n 300
}
# protocol, address and port in hex, inode
sockets() {
  for protocol in tcp tcp6 udp udp6; do
    state=0A
    case $protocol in udp*) state=07 ;; esac
    awk -v protocol="$protocol" -v state="$state" -v ports="$PORTS" '
      BEGIN { many = split(ports, list, "|"); for (i = 1; i <= many; i++) wanted[list[i]] = 1 }
      NR > 1 && $4 == state { split($2, at, ":"); if (at[2] in wanted) print protocol, $2, $10 }' "/proc/net/$protocol"
  done
}
# inode, process, its name
socket_owners() {
  inodes=$(sockets | awk '$3 != 0 { printf "%s ", $3 }')
  [ -n "$inodes" ] || return 0
  limited ls -l /proc/[0-9]*/fd | awk -v inodes="$inodes" '
    BEGIN { many = split(inodes, list, " "); for (i = 1; i <= many; i++) wanted["socket:[" list[i] "]"] = list[i] }
    /^\/proc\// { split($1, path, "/"); process = path[3] }
    $NF in wanted { print wanted[$NF], process }' | sort -u | head -n 200 | while read -r inode process; do
    echo "$inode $process $(cat "/proc/$process/comm")"
  done
}
cni_files() {
  separator=
  for file in "$HOST$CNI_CONF"/*; do
    [ -f "$file" ] || continue
    printf '%s{"name":"%s","text":"%s"}' "$separator" "$(basename "$file" | json)" "$(head -c 65536 "$file" | json)"
    separator=,
  done
}
cni_plugins() { ls "$HOST$CNI_BIN" | head -n 300; }
links() { awk -F: 'NR > 2 { gsub(/ /, "", $1); print $1 }' /proc/net/dev | head -n 3000; }
saved() {
  if [ "$2" = nft ]; then tool "$1-nft-save" || tool "$1-save"; else tool "$1-$2-save"; fi
}
# Chains by table; kube-proxy's own, one for each service, are only counted.
chains() {
  for family in iptables ip6tables; do
    for variant in nft legacy; do
      if [ "$variant" = legacy ] && ! [ -s "/proc/net/${family%tables}_tables_names" ]; then continue; fi
      saved "$family" "$variant" | awk -v family="$family-$variant" '
        /^\*/ { table = substr($1, 2) }
        /^:KUBE-(SVC|SEP|EXT|FW|SVL|XLB)-/ { services++; next }
        /^:/ { print family, table, substr($1, 2) }
        END { if (services) print family, "nat", "KUBE-SERVICES-OF " services }'
    done
  done | head -n 2000
}
nft_tables() { tool nft list tables | head -n 200; }
bpf_state() {
  find "$HOST/sys/fs/bpf" -maxdepth 4 | grep -i cilium | sed "s|^$HOST||" | head -n 300
}
rules() { for family in -4 -6; do tool ip $family rule show | sed "s/^/$family /"; done | head -n 300; }
routes() {
  for family in -4 -6; do
    for table in 2004 2005; do tool ip $family route show table $table | sed "s/^/$family $table /"; done
  done | head -n 300
}
paths() {
  for path in /var/run/cilium /var/lib/cilium /etc/sysctl.d/99-zzz-override_cilium.conf /run/flannel/subnet.env \
    /var/lib/cni/flannel /var/run/calico /var/lib/calico /etc/calico /var/lib/weave /etc/kube-router \
    /var/run/antrea /var/lib/cni/networks /etc/cni/multus /var/run/multus; do
    there=$HOST$(real "$path")
    # An empty folder says nothing.
    if [ -d "$there" ]; then [ -n "$(ls -A "$there")" ] && echo "$path"; elif [ -e "$there" ]; then echo "$path"; fi
  done
}
processes() {
  cat /proc/[0-9]*/comm | grep -E '^(cilium-agent|cilium-envoy|flanneld|calico-|bird|weave|kube-router|antrea-|ovs-vswitchd|kube-proxy|aws-k8s-agent|ovnkube|multus|kube-ovn)' | sort -u
}

file=$(config_file)
begin
section release echo "$release"
section machine uname -m
section kernel_config_file echo "${file#"$HOST"}"
section kernel_config kernel_config "$file"
section btf btf
section mounts mounts
section sysctls sysctls
section sockets sockets
section socket_owners socket_owners
printf ',"cni_files":[%s]' "$(cni_files)"
section cni_plugins cni_plugins
section links links
section chains chains
section nft_tables nft_tables
section bpf bpf_state
section rules rules
section routes routes
section paths paths
section processes processes
finish
