# What every script of this folder begins with. The report is one JSON document on one line: {"ciliumctl":"TASK",…}.
# Wants: TASK its name, NODE the node's, EXPIRES seconds since 1970 after which nothing may be done any more, HOST where
# the node's files are. Only what POSIX and busybox have is used.
LC_ALL=C
PATH="${PATH:-/usr/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export LC_ALL PATH
HOST=${HOST:-/host}
TAB=$(printf '\t')
# Nothing but the report may be said: a line in between would cut it in two.
exec 2>/dev/null

have() { command -v "$1" >/dev/null; }
# No single command may take longer.
limited() { if have timeout; then timeout 20 "$@"; else "$@"; fi; }
# A program of this image, else the node's own.
tool() {
  if have "$1"; then limited "$@"; elif have chroot; then limited chroot "$HOST" "$@"; else return 127; fi
}
# Where a path of the node's really is: an absolute link of the node's (/var/run) would lead into this image.
real() {
  found=$(have chroot && limited chroot "$HOST" readlink -f "$1")
  case ${found:-$1} in
    /var/run/*) if [ -L "$HOST/var/run" ]; then echo "/run/${1#/var/run/}"; else echo "$1"; fi ;;
    *) echo "${found:-$1}" ;;
  esac
}
json() {
  tr -d '\000-\010\013-\037\177' | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e "s/$TAB/\\\\t/g" |
    awk 'NR > 1 { printf "\\n" } { printf "%s", $0 }'
}
# section NAME COMMAND…: what the command says, as a member of the report.
section() {
  printf ',"%s":"' "$1"
  shift
  "$@" | json
  printf '"'
}
begin() { printf '{"ciliumctl":"%s","node":"%s","time":%s' "$TASK" "$NODE" "$(date +%s)"; }
finish() { printf '}\n'; }
# End here, with a reason instead of the work.
refuse() {
  begin
  section refused echo "$1: nothing was done"
  finish
  exit 0
}

# A pod that was forgotten starts again with its node: by then it may meet another installation.
[ "$(date +%s)" -gt "$EXPIRES" ] && refuse "the time for this is over (until $EXPIRES)"
