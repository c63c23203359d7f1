# Sourced by tests of what happens where there is no /dev/kvm, with their own arguments: goes on in a
# mount name space of its own whose /dev has none. Sets `repository`, `dir` (a scratch directory that
# everybody may enter), `started_by` (the user's number outside) and `as_started`, words before a
# command that make it that user's again, who had to become root here. Skips where that is forbidden.

if [[ ${1-} != --hidden ]]; then
  as_root=(unshare --mount)
  [[ $(id -u) == 0 ]] || as_root+=(--map-root-user)
  "${as_root[@]}" true 2>/dev/null || { echo "skipped: mount name spaces are not allowed here"; exit 77; }
  exec "${as_root[@]}" "$0" --hidden "$(id -u)" "$@"
fi
started_by=$2 repository=$3
shift 3

dir=$(mktemp -d)
trap 'umount --lazy "$dir/dev"; rm -rf --one-file-system "$dir"' EXIT
chmod 755 "$dir"
dev=$dir/dev
mkdir "$dev"
# Not sticky, as tmpfs is unless told: there the kernel refuses `>/dev/null` to who does not own it.
mount -t tmpfs -o mode=755 dev "$dev"
mkdir "$dev/pts"
mkdir -m 1777 "$dev/shm"
for node in null zero full random urandom tty; do
  touch "$dev/$node"
  mount --bind "/dev/$node" "$dev/$node"
done
ln -s /proc/self/fd "$dev/fd"
mount --rbind "$dev" /dev

as_started=()
[[ $started_by == 0 ]] ||
  as_started=(unshare --user "--map-user=$started_by" "--map-group=$started_by")

fail() { echo "FAIL: $*"; exit 1; }

# as_ordinary_user HOME COMMAND...: what has been built is root's, so there the user's cmake finds
# nothing to do; the kernel has been fetched. Returns 1, and says why, where it cannot be tried.
as_ordinary_user() {
  local home=$1 user=54321
  shift
  [[ $started_by == 0 ]] || return 1
  local as_user=(setpriv "--reuid=$user" "--regid=$user" --clear-groups)
  "${as_user[@]}" test -x "$repository/dev" ||
    { echo "not tried as an ordinary user: $repository is out of reach"; return 1; }
  "${as_user[@]}" unshare --map-root-user true ||
    { echo "not tried as an ordinary user: user name spaces are not allowed here"; return 1; }
  mkdir -p "$home/bin" "$home/cache/muster-nested"
  printf '#!/bin/sh\n' >"$home/bin/cmake"
  chmod +x "$home/bin/cmake"
  cp -r "$repository/.cache/nested/kernel" "$home/cache/muster-nested"
  chown -R "$user:$user" "$home"
  cd "$home"
  "$@" env -i "PATH=$home/bin:/usr/bin:/bin" "HOME=$home" "XDG_CACHE_HOME=$home/cache" "${as_user[@]}"
}
