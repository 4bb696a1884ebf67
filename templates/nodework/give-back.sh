# Give a node back to the CNI that was there before Cilium: Cilium's configuration goes, the others' come back.
# Wants besides: CNI_CONF as Cilium was told it, OLD shell patterns of the other CNI's files. Can be run again.
CNI_CONF=$(real "$CNI_CONF")
DONE=/tmp/ciliumctl-given-back
: >"$DONE" || DONE=/dev/null
# Without the other's configuration a node would have none: nothing is taken away then.
theirs() {
  set -f
  for pattern in $OLD; do
    set +f
    for file in "$HOST$CNI_CONF"/$pattern "$HOST$CNI_CONF"/$pattern.cilium_bak; do [ -f "$file" ] && echo "$file"; done
  done
  set +f
}
[ -z "$(theirs)" ] && refuse "no configuration of the other CNI is in $CNI_CONF ($OLD)"
# The other's first: at no moment is there none.
for file in "$HOST$CNI_CONF"/*.cilium_bak; do
  [ -f "$file" ] && mv "$file" "${file%.cilium_bak}" && echo "${file#"$HOST"} renamed back" >>"$DONE"
done
for file in "$HOST$CNI_CONF"/*cilium*.conf "$HOST$CNI_CONF"/*cilium*.conflist; do
  [ -f "$file" ] && rm -f "$file" && echo "${file#"$HOST"}" >>"$DONE"
done
left() {
  for file in "$HOST$CNI_CONF"/*cilium*.conf "$HOST$CNI_CONF"/*cilium*.conflist "$HOST$CNI_CONF"/*.cilium_bak; do
    [ -f "$file" ] && echo "${file#"$HOST"}"
  done
}
begin
section removed cat "$DONE"
section left left
finish
rm -f "$DONE"
