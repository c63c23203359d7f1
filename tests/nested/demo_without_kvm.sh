#!/usr/bin/env bash
# demo_without_kvm.sh REPOSITORY
#
# The whole demo where there is no /dev/kvm: it says so in one line, and shows the same guest on an
# emulated machine.
set -eu

if [[ ${1-} != --hidden ]]; then
  as_root=(unshare --mount)
  [[ $(id -u) == 0 ]] || as_root+=(--map-root-user)
  "${as_root[@]}" true 2>/dev/null || { echo "skipped: mount name spaces are not allowed here"; exit 77; }
  exec "${as_root[@]}" "$0" --hidden "$1"
fi

dir=$(mktemp -d)
trap 'umount --lazy "$dir/dev"; rm -rf --one-file-system "$dir"' EXIT
dev=$dir/dev
mkdir "$dev"
mount -t tmpfs dev "$dev"
mkdir "$dev/shm" "$dev/pts"
for node in null zero full random urandom tty; do
  touch "$dev/$node"
  mount --bind "/dev/$node" "$dev/$node"
done
ln -s /proc/self/fd "$dev/fd"
mount --rbind "$dev" /dev

status=0
"$2/dev" demo >"$dir/out" 2>"$dir/err" </dev/null || status=$?
cat "$dir/out" "$dir/err"
fail() { echo "FAIL: $*"; exit 1; }
! grep -q 'is missing\|cannot fetch' "$dir/err" || { tail -1 "$dir/err"; exit 77; }
[[ $status == 0 ]] || fail "the demo ended with $status"
[[ $(grep -c '^dev: there is no /dev/kvm' "$dir/err") == 1 ]] || fail "it does not say why, once"
for cpu in 0 1 2 3; do
  grep -q "^cpu $cpu " "$dir/out" || fail "CPU $cpu did not report"
done
