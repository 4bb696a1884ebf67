# Remove what Cilium left on a node, and look again at the end. Does nothing where an agent still runs.
# Wants besides: CNI_CONF, CNI_BIN, RUN_PATH as Cilium was told them. Can be run again.
SYSCTL=/etc/sysctl.d/99-zzz-override_cilium.conf
CNI_CONF=$(real "$CNI_CONF")
CNI_BIN=$(real "$CNI_BIN")
RUN_PATH=$(real "$RUN_PATH")
REMOVED=/tmp/ciliumctl-removed
: >"$REMOVED" || REMOVED=/dev/null
removed() { echo "$*" >>"$REMOVED"; }

# All below this folder is unmounted and removed: behind a link it may be another one than was told.
case ${RUN_PATH##*/} in
  *cilium*) ;;
  *) refuse "the agent's folder $RUN_PATH does not have cilium in its name" ;;
esac
# Where nothing can be read, nobody knows whether an agent runs.
programs=$(cat /proc/[0-9]*/comm)
case "
$programs
" in
  *"
cilium-agent
"*) refuse "a Cilium agent still runs on this node" ;;
  *[a-z]*) ;;
  *) refuse "the node's processes cannot be read, so an agent may still run" ;;
esac
# The guards end here.

# In the node's own mount namespace, where what is mounted below the agent's folders can be taken away.
on_host() { limited nsenter -t 1 -m -- "$@"; }
mounted() { awk -v path="$1/" 'index($5, path) == 1 { print $5 }' /proc/1/mountinfo | sort -r; }
# The same as this container sees it: a mount that stays here would be walked into.
seen_mounted() { awk -v path="$HOST$1/" 'index($5, path) == 1' /proc/self/mountinfo; }
is_bpffs() { grep -qE '^[^ ]+ [^ ]+ [^ ]+ [^ ]+ /sys/fs/bpf .* - bpf ' /proc/1/mountinfo; }

# The agent's own program knows best what hangs on devices and control groups.
official() {
  have cilium-dbg || return 0
  rm -f "$HOST$RUN_PATH/cilium.pid"
  mkdir -p /run/cilium/cgroupv2 /var/run/cilium
  is_bpffs && mount --bind "$HOST/sys/fs/bpf" /sys/fs/bpf
  [ -d "$HOST$RUN_PATH/cgroupv2" ] && mount --bind "$HOST$RUN_PATH/cgroupv2" /run/cilium/cgroupv2
  if limited cilium-dbg post-uninstall-cleanup --all-state -f >/dev/null ||
    limited cilium-dbg cleanup --all-state -f >/dev/null; then
    removed "what \`cilium-dbg post-uninstall-cleanup\` knows of"
  fi
}

# Configurations that are Cilium's by name and content.
cni_files() {
  for file in "$HOST$CNI_CONF"/*cilium*.conf "$HOST$CNI_CONF"/*cilium*.conflist; do
    [ -f "$file" ] && grep -q '"cilium-cni"' "$file" && echo "$file"
  done
}
backups() { for file in "$HOST$CNI_CONF"/*.cilium_bak; do [ -f "$file" ] && echo "$file"; done; }
# The configuration of another CNI that came after Cilium: an older one that comes back could go before it.
newer() {
  for file in "$HOST$CNI_CONF"/*.conf "$HOST$CNI_CONF"/*.conflist "$HOST$CNI_CONF"/*.json; do
    [ -f "$file" ] && ! grep -q '"cilium-cni"' "$file" && echo "$file"
  done
}
plugins() { for file in cilium-cni cilium-cni.old .cilium-cni.new; do [ -f "$HOST$CNI_BIN/$file" ] && echo "$HOST$CNI_BIN/$file"; done; }
links() {
  awk -F: 'NR > 2 { gsub(/ /, "", $1); print $1 }' /proc/net/dev | grep -E '^(cilium_.*|lxc_health|lxc[0-9a-f]{5,12})$'
}
# Devices with a program of Cilium's on them: device, direction, preference.
filters() {
  have tc || return 0
  for device in $(awk -F: 'NR > 2 { gsub(/ /, "", $1); print $1 }' /proc/net/dev | grep -vE '^(lo|lxc|cilium_)'); do
    for way in ingress egress; do
      limited tc filter show dev "$device" $way | awk -v at="$device $way" '
        / bpf / && /cil_|cilium|bpf_(netdev|network|host|lxc|overlay)/ {
          for (i = 1; i < NF; i++) if ($i == "pref") print at, $(i + 1) }' | sort -u
    done
  done
}
xdp() { tool ip -d link show | awk '/^[0-9]+:/ { name = $2; sub(/[:@].*/, "", name) } /cil_xdp_entry/ { print name }' | sort -u; }
# Programs on the root control group that translate services: kind, id.
socket_programs() {
  have bpftool || return 0
  for root in "$HOST$RUN_PATH/cgroupv2" "$HOST/sys/fs/cgroup"; do
    [ -d "$root" ] && limited bpftool cgroup show "$root" | awk -v root="$root" '/cil_sock/ { print root, $2, $1 }'
  done | sort -u
}
pinned() {
  is_bpffs || return 0
  find "$HOST/sys/fs/bpf" -maxdepth 3 \( -name 'cilium*' -o -name 'tunnel_endpoint_map' \) | grep -E '/bpf/(cilium|((tc|xdp)/globals/)?(cilium_|tunnel_))'
}
tables() {
  for family in iptables ip6tables; do
    tool $family-nft-save >/dev/null && echo "$family-nft" || { tool $family-save >/dev/null && echo "$family"; }
    [ -s "/proc/net/${family%tables}_tables_names" ] && tool $family-legacy-save >/dev/null && echo "$family-legacy"
  done
}
chains() {
  for variant in $(tables); do
    tool "$variant-save" | awk -v variant="$variant" '
      /^\*/ { table = substr($1, 2) }
      /^:(OLD_)?CILIUM_/ { print variant, table, substr($1, 2) }'
  done
}
# Jumps to Cilium's chains, their rules, the chains: all of a family in one step, and nothing of anybody else's.
remove_chains() {
  for variant in $(chains | cut -d ' ' -f 1 | sort -u); do
    tool "$variant-save" | awk '
      function done_with() {
        if (chains != "") printf "*%s\n%s%s%sCOMMIT\n", table, jumps, flushes, chains
        jumps = flushes = chains = ""
      }
      /^\*/ { table = substr($1, 2) }
      /^:(OLD_)?CILIUM_/ { name = substr($1, 2); flushes = flushes "-F " name "\n"; chains = chains "-X " name "\n" }
      /^-A / && $2 !~ /^(OLD_)?CILIUM_/ && / -[jg] (OLD_)?CILIUM_/ { sub(/^-A/, "-D"); jumps = jumps $0 "\n" }
      /^COMMIT/ { done_with() }' >/tmp/ciliumctl-rules
    restore "$variant-restore" </tmp/ciliumctl-rules
  done
}
restore() {
  if have "$1"; then limited "$1" --noflush; elif have chroot; then limited chroot "$HOST" "$1" --noflush; fi
}
sets() { tool ipset list -n | grep -E '^cilium_'; }
# Cilium's rules by their tables and marks: family, preference, table.
rules() {
  for family in -4 -6; do
    tool ip $family rule show | awk -v family=$family '
      (/ lookup 2004( |$)/ && /fwmark 0x200\/0xf00/) || (/ lookup 2005( |$)/ && /fwmark 0x[9ab]00\/0xf00/) ||
      (/ lookup 200( |$)/ && /fwmark 0x[de]00\/0xf00/) {
        sub(/:/, "", $1); table = $0; sub(/.* lookup /, "", table); sub(/ .*/, "", table); print family, $1, table }'
  done
}
# Whether nobody but Cilium uses a table: no other rule leads to it, and it is no VRF's.
ciliums_alone() {
  all=$(tool ip "$1" rule show | grep -cE " lookup $2( |\$)")
  own=$(rules | grep -cE "^$1 [0-9]+ $2\$")
  [ "$own" -gt 0 ] && [ "$all" = "$own" ] && ! tool ip -d link show type vrf | grep -qE "vrf table $2( |\$)"
}
# Tables whose number is Cilium's own, and that no rule of its leads to any more: nothing proves whose they are.
unproven_routes() {
  for family in -4 -6; do
    for table in 2004 2005; do
      tool ip $family route show table $table | grep -qE . && echo "$family $table"
    done
  done
}
# Cilium moves the rule that finds the node's own addresses from 0 to 100.
local_rule() {
  for family in -4 -6; do
    all=$(tool ip $family rule show)
    echo "$all" | grep -qE '^100:.*lookup local' && ! echo "$all" | grep -qE '^0:' && echo "$family"
  done
}
run_folder() { [ -d "$HOST$RUN_PATH" ] && [ -n "$(ls -A "$HOST$RUN_PATH")" ] && echo "$RUN_PATH"; }

# The routes before their rules, which are what proves that the routes are Cilium's.
remove_routes() {
  rules | while read -r family preference table; do echo "$family $table"; done | sort -u | while read -r family table; do
    ciliums_alone "$family" "$table" || continue
    tool ip "$family" route show table "$table" | grep -qE . || continue
    tool ip "$family" route flush table "$table" && removed "routes of table $table ($family)"
  done
  rules | while read -r family preference table; do
    tool ip "$family" rule delete pref "$preference" table "$table" && removed "rule $preference ($family)"
  done
}
# First of all: once somebody took the rules away, nothing proves whose the routes are.
remove_routes
official
for entry in $(filters | tr ' ' ','); do
  device=${entry%%,*} rest=${entry#*,}
  limited tc filter del dev "$device" "${rest%,*}" pref "${rest#*,}" && removed "tc filter on $device ${rest%,*}"
done
for device in $(xdp); do tool ip link set dev "$device" xdp off && removed "XDP program on $device"; done
socket_programs | while read -r root kind id; do
  limited bpftool cgroup detach "$root" "$kind" id "$id" && removed "program $kind on the control groups"
done
for link in $(links); do
  # The other end of a pair goes with the first.
  [ -e "/sys/class/net/$link" ] || continue
  tool ip link delete "$link" && removed "link $link"
done
for entry in $(local_rule); do
  tool ip "$entry" rule add from all lookup local pref 0 && tool ip "$entry" rule delete pref 100 &&
    removed "rule for local addresses back at 0 ($entry)"
done
before=$(chains)
remove_chains
after=$(chains)
echo "$before" | while read -r variant table chain; do
  [ -n "$chain" ] && ! echo "$after" | grep -qxF "$variant $table $chain" && removed "$variant chain $table/$chain"
done
for name in $(sets); do tool ipset destroy "$name" && removed "ipset $name"; done
for path in $(pinned); do rm -rf "$path" && removed "${path#"$HOST"}"; done
for path in $(mounted "$RUN_PATH"); do
  on_host umount "$path"
  mounted "$RUN_PATH" | grep -qxF "$path" || removed "mount $path"
done
# Never through what is still mounted below: that is the node's own tree of control groups.
if [ -n "$(run_folder)" ] && [ -z "$(mounted "$RUN_PATH")$(seen_mounted "$RUN_PATH")" ]; then
  rm -rf "${HOST:?}$RUN_PATH"/* && removed "$RUN_PATH"
fi
[ -f "$HOST$SYSCTL" ] && rm -f "$HOST$SYSCTL" && removed "$SYSCTL"
cni_files | while read -r file; do rm -f "$file" && removed "${file#"$HOST"}"; done
if [ -z "$(newer)" ]; then
  kept=
  backups | while read -r file; do
    mv "$file" "${file%.cilium_bak}" && removed "${file#"$HOST"} renamed back"
  done
else
  kept=$(backups)
fi
plugins | while read -r file; do rm -f "$file" && removed "${file#"$HOST"}"; done

left() {
  { cni_files; [ -n "$kept" ] || backups; plugins; pinned; } | sed "s|^$HOST||"
  links | sed 's/^/link /'
  chains | awk '{ print $1 " chain " $2 "/" $3 }'
  sets | sed 's/^/ipset /'
  rules | awk '{ print "rule " $2 " (" $1 ")" }'
  unproven_routes | awk '{ print "routes of table " $2 " (" $1 ")" }'
  local_rule | sed 's/^/rule for local addresses at 100, not 0 (/; s/$/)/'
  filters | awk '{ print "tc filter on " $1 " " $2 }'
  xdp | sed 's/^/XDP program on /'
  socket_programs | awk '{ print "program " $2 " on the control groups" }'
  run_folder
  mounted "$RUN_PATH" | sed 's/^/mount /'
  [ -f "$HOST$SYSCTL" ] && echo "$SYSCTL"
}
begin
section removed head -n 300 "$REMOVED"
section left left
section kept echo "$(echo "$kept" | sed "s|^$HOST||")"
finish
rm -f "$REMOVED" /tmp/ciliumctl-rules
