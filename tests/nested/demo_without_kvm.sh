#!/usr/bin/env bash
# demo_without_kvm.sh REPOSITORY
#
# The whole demo where there is no /dev/kvm: it says so in one line, and shows the same guest on an
# emulated machine. Root tries it as an ordinary user too.
set -eu

if [[ ${1-} != --hidden ]]; then
  as_root=(unshare --mount)
  [[ $(id -u) == 0 ]] || as_root+=(--map-root-user)
  "${as_root[@]}" true 2>/dev/null || { echo "skipped: mount name spaces are not allowed here"; exit 77; }
  exec "${as_root[@]}" "$0" --hidden "$1" "$(id -u)"
fi
repository=$2 started_by=$3

dir=$(mktemp -d)
trap 'umount --lazy "$dir/dev"; rm -rf --one-file-system "$dir"' EXIT
chmod 755 "$dir"
dev=$dir/dev
mkdir "$dev"
mount -t tmpfs dev "$dev"
mkdir "$dev/pts"
mkdir -m 1777 "$dev/shm"
for node in null zero full random urandom tty; do
  touch "$dev/$node"
  mount --bind "/dev/$node" "$dev/$node"
done
ln -s /proc/self/fd "$dev/fd"
mount --rbind "$dev" /dev

fail() { echo "FAIL: $*"; exit 1; }

# demo [COMMAND THAT RUNS ANOTHER...]
demo() {
  local status=0
  "$@" "$repository/dev" demo >"$dir/out" 2>"$dir/err" </dev/null || status=$?
  cat "$dir/out" "$dir/err"
  ! grep -q 'is missing\|cannot fetch' "$dir/err" || { tail -1 "$dir/err"; exit 77; }
  [[ $status == 0 ]] || fail "the demo ended with $status"
  [[ $(grep -c '^dev: there is no /dev/kvm' "$dir/err") == 1 ]] || fail "it does not say why, once"
  for cpu in 0 1 2 3; do
    grep -q "^cpu $cpu " "$dir/out" || fail "CPU $cpu did not report"
  done
  for verdict in 2011:\ failed generation:\ survived waiters3:\ prevented; do
    grep -q "^rv-exit-reset/$verdict, as due" "$dir/out" "$dir/err" || fail "not $verdict"
  done
}

demo

[[ $started_by == 0 ]] || exit 0
user=54321
as_user=(setpriv "--reuid=$user" "--regid=$user" --clear-groups)
"${as_user[@]}" test -x "$repository/dev" || { echo "not tried as an ordinary user: $repository is out of reach"; exit 0; }
"${as_user[@]}" unshare --map-root-user true || { echo "not tried as an ordinary user: user name spaces are not allowed here"; exit 0; }
# What has been built is root's: the user's cmake finds nothing to do. The kernel has been fetched.
home=$dir/home
mkdir -p "$home/bin" "$home/cache/muster-nested"
printf '#!/bin/sh\n' >"$home/bin/cmake"
chmod +x "$home/bin/cmake"
cp -r "$repository/.cache/nested/kernel" "$home/cache/muster-nested"
chown -R "$user:$user" "$home"
cd "$home"
demo env -i "PATH=$home/bin:/usr/bin:/bin" "HOME=$home" "XDG_CACHE_HOME=$home/cache" "${as_user[@]}"
