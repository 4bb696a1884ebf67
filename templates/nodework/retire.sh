# Remove what the CNI that was there before Cilium left on a node, and look again at the end. Can be run again.
# Wants besides: CNI_CONF as Cilium was told it; FILES, LINKS, EMPTIED (devices that the kernel keeps), TABLES
# (family/name), CHAINS (a prefix), FOLDERS and RANGES (of its pods) of the other CNI, NODES the addresses of all nodes;
# each a list with spaces between.
CNI_CONF=$(real "$CNI_CONF")
REMOVED=/tmp/ciliumctl-retired
: >"$REMOVED" || REMOVED=/dev/null
removed() { echo "$*" >>"$REMOVED"; }
first() {
  for file in "$HOST$CNI_CONF"/*; do
    case $file in *.conf | *.conflist | *.json) [ -f "$file" ] && echo "$file" && return ;; esac
  done
}
case $(first) in
  */*cilium*) ;;
  *) refuse "Cilium's configuration is not the first in $CNI_CONF, so its pods may still be the other CNI's" ;;
esac
# The guards end here.

files() {
  set -f
  for pattern in $FILES; do
    set +f
    for file in "$HOST$CNI_CONF"/$pattern "$HOST$CNI_CONF"/$pattern.cilium_bak; do [ -f "$file" ] && echo "$file"; done
  done
  set +f
}
links() { for link in $LINKS; do [ -e "/sys/class/net/$link" ] && echo "$link"; done; }
# Devices with addresses: deleting one of these succeeds, and keeps it.
addressed() {
  for link in $EMPTIED; do
    [ -e "/sys/class/net/$link" ] && tool ip addr show dev "$link" | grep -q ' inet' && echo "$link"
  done
}
# Routes to its pods: over another node (Flannel's host-gw, Calico), or Calico's black holes (of Felix, 80, or BIRD). A
# range may be wider than what the CNI has, so the nodes' own routes and other people's are in it, too.
routes() {
  for range in $RANGES; do
    case $range in *:*) family=-6 ;; *) family=-4 ;; esac
    tool ip $family route show table main root "$range" | awk -v family=$family -v nodes=" $NODES " '
      $1 == "blackhole" && / proto (bird|80)( |$)/ { print family, $1, $2 }
      $1 != "default" && $2 == "via" && index(nodes, " " $3 " ") { print family, $1, $2, $3, $4, $5 }'
  done
}
# nftables' own tables.
tables() {
  have nft || [ -x "$HOST/usr/sbin/nft" ] || return 0
  for table in $TABLES; do tool nft list table "${table%/*}" "${table#*/}" >/dev/null && echo "$table"; done
}
variants() {
  for family in iptables ip6tables; do
    tool $family-nft-save >/dev/null && echo "$family-nft" || { tool $family-save >/dev/null && echo "$family"; }
    [ -s "/proc/net/${family%tables}_tables_names" ] && tool $family-legacy-save >/dev/null && echo "$family-legacy"
  done
}
chains() {
  [ -n "$CHAINS" ] || return 0
  for variant in $(variants); do
    tool "$variant-save" | awk -v variant="$variant" -v prefix=":$CHAINS" '
      /^\*/ { table = substr($1, 2) }
      index($1, prefix) == 1 { print variant, table, substr($1, 2) }'
  done
}
# Jumps to its chains, their rules, the chains: all of a family in one step, and nothing of anybody else's.
remove_chains() {
  for variant in $(chains | cut -d ' ' -f 1 | sort -u); do
    tool "$variant-save" | awk -v prefix="$CHAINS" '
      function done_with() {
        if (chains != "") printf "*%s\n%s%s%sCOMMIT\n", table, jumps, flushes, chains
        jumps = flushes = chains = ""
      }
      /^\*/ { table = substr($1, 2) }
      index($1, ":" prefix) == 1 { name = substr($1, 2); flushes = flushes "-F " name "\n"; chains = chains "-X " name "\n" }
      /^-A / && index($2, prefix) != 1 && index($0, " -j " prefix) { sub(/^-A/, "-D"); jumps = jumps $0 "\n" }
      /^COMMIT/ { done_with() }' >/tmp/ciliumctl-rules
    if have "$variant-restore"; then limited "$variant-restore" --noflush </tmp/ciliumctl-rules
    elif have chroot; then limited chroot "$HOST" "$variant-restore" --noflush </tmp/ciliumctl-rules; fi
  done
}
folders() {
  for folder in $FOLDERS; do
    path=$(real "$folder")
    # Nothing above these may ever be meant.
    case $path in /run/?* | /var/run/?* | /var/lib/?*) [ -d "$HOST$path" ] && echo "$path" ;; esac
  done
}

files | while read -r file; do rm -f "$file" && removed "${file#"$HOST"}"; done
for link in $(links); do tool ip link delete "$link" && removed "link $link"; done
for link in $(addressed); do
  tool ip addr flush dev "$link" && tool ip link set dev "$link" down && removed "addresses of $link"
done
# What led through its links went with them.
routes | while read -r family route; do tool ip "$family" route del $route && removed "route $route"; done
for table in $(tables); do tool nft delete table "${table%/*}" "${table#*/}" && removed "nft table $table"; done
before=$(chains)
remove_chains
after=$(chains)
echo "$before" | while read -r variant table chain; do
  [ -n "$chain" ] && ! echo "$after" | grep -qxF "$variant $table $chain" && removed "$variant chain $table/$chain"
done
for folder in $(folders); do rm -rf "${HOST:?}$folder" && removed "$folder"; done

left() {
  files | sed "s|^$HOST||"
  links | sed 's/^/link /'
  addressed | sed 's/^/addresses of /'
  routes | sed 's/^-[46] /route /'
  tables | sed 's/^/nft table /'
  chains | awk '{ print $1 " chain " $2 "/" $3 }'
  folders
}
begin
section removed head -n 300 "$REMOVED"
section left left
finish
rm -f "$REMOVED" /tmp/ciliumctl-rules
