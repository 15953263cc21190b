# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Real mounts for the bats files. Each test has a directory of its own and
# leaves nothing mounted: teardown unmounts, requires exit status 0 of every
# daemon, and looks through the logs. The environment comes from tests/run:
#
#   SHARDYFS, SFS_BUILD, SFS_TEST_DATA, SFS_TOP
#
# A command that touches a mount runs under "within"; a daemon that hangs is
# killed by a guard, which frees whoever waits for it.

bats_require_minimum_version 1.5.0

HELPERS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SFS_TOP=${SFS_TOP:-$(cd "$HELPERS_DIR/../.." && pwd)}
SFS_BUILD=${SFS_BUILD:-$SFS_TOP/build}
SHARDYFS=${SHARDYFS:-$SFS_BUILD/shardyfs}
MKSTORE=$SFS_BUILD/tests/tools/mkstore
SFS_TEST_DATA=${SFS_TEST_DATA:-$SFS_TOP/tests/data}
export GOLDEN=$SFS_TEST_DATA/golden

SUSPICIOUS=' ERROR |Sanitizer|runtime error:|[Aa]ssert|[Ll]eak|Backtrace'
COMMAND_SECONDS=60

# A python3 that is found first may be a wrapper, slower than what it runs.
PYTHON=$(command -v /usr/bin/python3 || command -v python3)

DAEMON_SECONDS=180

# Skips the test, or fails it where everything must be there.
lack() {
	if [[ ${CI:-} == true ]]; then
		printf 'in CI nothing may be skipped: %s\n' "$1"
		return 1
	fi
	skip "$1"
}

# require WHAT...: fuse, root, or a command.
require() {
	local what

	for what; do
		case $what in
		fuse)
			(: <>/dev/fuse) 2>/dev/null ||
				lack '/dev/fuse cannot be opened' ;;
		root) ((EUID == 0)) || lack 'only root can do this' ;;
		*)
			command -v "$what" >/dev/null ||
				lack "$what is not installed" ;;
		esac
	done
}

# require_memory MIB: room for files in memory.
require_memory() {
	local free

	free=$(df --output=avail -m /dev/shm 2>/dev/null | tail -n 1)
	((${free:-0} >= $1)) || lack "/dev/shm has less than $1 MiB"
}

within() {
	timeout -k 5 "$COMMAND_SECONDS" "$@"
}

# python FILE ARGUMENTS... of this directory.
python() {
	local script=$1

	shift
	within "$PYTHON" -I -S "$HELPERS_DIR/$script" "$@"
}

sfs_setup() {
	require fuse
	dir=$(mktemp -d "$BATS_TEST_TMPDIR/work-XXXX")
	mnt=$dir/mnt
	log=$dir/log
	allowed='last message repeated'
	mkdir "$mnt"
	export SHARDYFS_STAGING_DIR=$dir/area
	pids=()
	adopted=()
	logs=()
	places=()
	memory_dir=''
}

# A directory in memory, for what would take minutes on a disk.
in_memory() {
	memory_dir=$(mktemp -d /dev/shm/shardyfs-bats-XXXXXX)
	printf '%s\n' "$memory_dir" >"$dir/memory"
}

# store DIR [MKSTORE OPTIONS...] <LINES: publishes, prints the snapshot ID.
# What mkstore still holds when it ends is no leak.
store() {
	local where=$1

	shift
	ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" "$MKSTORE" "$@" "$where"
}

# numbers FROM TO TEXT: lines for store, "N<TAB>TEXT N".
numbers() {
	seq "$1" "$2" | sed "s/.*/&\\t$3 &/"
}

# Kills the daemon if it is still there after a long time.
guard() {
	(
		timeout "$DAEMON_SECONDS" tail -s 0.5 --pid="$1" -f /dev/null ||
			kill -9 "$1"
	) >/dev/null 2>&1 3>&- &
}

# start STORE PLACE [ARGUMENTS...]: a daemon in the foreground, its pid in
# $daemon, its log in $log. Returns when it says that the mount works; if it
# does not, $why is its answer and the return value 1.
start() {
	local store=$1 place=$2 said

	shift 2
	log=$dir/log-${#logs[@]}
	mkfifo "$dir/said-${#logs[@]}"
	"$SHARDYFS" -f -o notify_fd=9 "$@" "$store" \
		"$place" >"$log" 2>&1 3>&- 9>"$dir/said-${#logs[@]}" &
	daemon=$!
	read -r -t 60 said <"$dir/said-${#logs[@]}" || said='nothing'
	logs+=("$log")
	pids+=("$daemon")
	places+=("$place")
	guard "$daemon"
	why=$said
	[[ $said == s ]]
}

# start_background STORE PLACE [ARGUMENTS...]: a daemon as users start it.
start_background() {
	log=$dir/log-${#logs[@]}
	within "$SHARDYFS" -o "log=$log" "${@:3}" "$1" "$2" 3>&- || return
	adopt "$2" "$log"
}

# adopt PLACE LOG: a daemon that is not a child of the test.
adopt() {
	daemon=$(within sed -n 's/^pid: //p' "$1/.shardyfs/status")
	logs+=("$2")
	pids+=("$daemon")
	places+=("$1")
	adopted+=("$daemon")
	guard "$daemon"
}

# Mounts at $mnt, or shows why not.
mount_store() {
	start "$1" "$mnt" "${@:2}" && return
	printf 'not mounted: %s\n' "$why"
	cat "$log"
	return 1
}

# As /proc/self/mountinfo writes a place.
escaped() {
	local place=${1//\\/\\134}

	place=${place// /\\040}
	place=${place//$'\t'/\\011}
	printf '%s\n' "${place//$'\n'/\\012}"
}

is_mounted() {
	local place

	place=$(escaped "$(realpath -sm "$1")")
	grep -qF " $place " /proc/self/mountinfo
}

try_detach() {
	fusermount3 -u "$1" 2>/dev/null || umount "$1"
}

# Somebody else who looks at all mounts makes one busy for a moment.
detach() {
	eventually 10 try_detach "$1"
}

is_gone() {
	[[ ! -e /proc/$1 ]] || grep -qs '^State:.Z' "/proc/$1/status"
}

# wait_exit PID SECONDS: the exit status, 124 if it lives on; 0 for one that
# is no child.
wait_exit() {
	eventually "$2" is_gone "$1" || return 124
	[[ " ${adopted[*]} " == *" $1 "* ]] || wait "$1"
}

# Unmounts $mnt and requires that its daemon ends well.
unmount_store() {
	detach "$mnt"
	wait_exit "$daemon" 60
}

# refused STATUS CODE ARGUMENTS...: shardyfs ends so, with that message, and
# leaves nothing mounted at $mnt.
refused() {
	local status=0

	within "$SHARDYFS" "${@:3}" >"$dir/answer" 2>&1 3>&- || status=$?
	answer=$(<"$dir/answer")
	is "$status" "$1"
	has "$answer" "shardyfs: $2: "
	fails is_mounted "$mnt"
}

# expect_log REGEX: such lines are no reason to complain.
expect_log() {
	allowed="$allowed|$1"
}

# A daemon that ended by itself, or is not ours to judge.
disown_daemon() {
	local i

	for i in "${!pids[@]}"; do
		[[ ${pids[i]} != "$1" ]] || unset "pids[$i]" "places[$i]"
	done
}

# The value of a line of .shardyfs/status.
status_of() {
	within sed -n "s/^$1: //p" "$mnt/.shardyfs/status"
}

# eventually SECONDS COMMAND...: until it succeeds.
eventually() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

# The content of a file below $mnt, or nothing.
content() {
	within cat "$mnt/$1" 2>/dev/null || true
}

content_is() {
	[[ $(content "$1") == "$2" ]]
}

content_has() {
	[[ $(content "$1") == *"$2"* ]]
}

log_has() {
	grep -qF -- "$1" "$log"
}

status_is() {
	[[ $(status_of "$1") == "$2" ]]
}

# errno_of CALL PATH...: the errno's name, or "ok" (see calls.py).
errno_of() {
	python calls.py "$@"
}

# fails_with ERRNO CALL PATH...
fails_with() {
	local got

	got=$(errno_of "${@:2}")
	[[ $got == "$1" ]] || {
		printf '%s: %s, not %s\n' "${*:2}" "$got" "$1"
		return 1
	}
}

# fails COMMAND...: bats passes over "! command".
fails() {
	if "$@"; then
		printf 'succeeded: %s\n' "$*"
		return 1
	fi
}

is() {
	[[ $1 == "$2" ]] || {
		printf 'got:      %s\nexpected: %s\n' "$1" "$2"
		return 1
	}
}

has() {
	[[ $1 == *"$2"* ]] || {
		printf 'got:     %s\nwithout: %s\n' "$1" "$2"
		return 1
	}
}

ctl() {
	within "$SFS_BUILD/shardyctl" "$@"
}

# status STATUS ARGUMENTS...: runs shardyctl, wants that exit status; what it
# prints is in $out and $err.
# shellcheck disable=SC2034 # out is for the tests
status() {
	local got=0

	ctl "${@:2}" >"$dir/out" 2>"$dir/err" || got=$?
	out=$(<"$dir/out")
	err=$(<"$dir/err")
	is "$got" "$1" || {
		printf '%s\n' "$err"
		return 1
	}
}

# json EXPRESSION: what it says of the document d in $dir/out.
json() {
	"$PYTHON" -I -S -c '
import json, sys
with open(sys.argv[1]) as f:
    d = json.load(f)
print(eval(sys.argv[2]))' "$dir/out" "$1"
}

check_logs() {
	local found bad=0

	for log in "${logs[@]}"; do
		found=$(grep -E "$SUSPICIOUS" "$log" | grep -Ev "$allowed")
		[[ -z $found ]] || {
			printf 'suspicious in the log:\n%s\n' "$found"
			bad=1
		}
	done
	return "$bad"
}

stop_daemons() {
	local i status bad=0

	for i in "${!pids[@]}"; do
		if is_mounted "${places[i]}"; then
			try_detach "${places[i]}" || umount -l "${places[i]}" ||
				fusermount3 -uz "${places[i]}"
		fi
		status=0
		wait_exit "${pids[i]}" 60 || status=$?
		[[ $status == 0 ]] || {
			printf 'the daemon ended with %s\n' "$status"
			kill -9 "${pids[i]}" 2>/dev/null
			bad=1
		}
	done
	return "$bad"
}

# Whatever happened, nothing of this test stays mounted.
sweep_mounts() {
	local place

	while read -r place; do
		place=$(printf '%b' "$place")
		umount -l "$place" 2>/dev/null || fusermount3 -uz "$place"
		printf 'was left mounted: %s\n' "$place"
	done < <(awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' \
		/proc/self/mountinfo)
}

sfs_teardown() {
	local bad=0

	[[ -n ${dir:-} ]] || return 0
	stop_daemons || bad=1
	check_logs || bad=1
	sweep_mounts
	[[ ! -f $dir/memory ]] || rm -rf "$(cat "$dir/memory")"
	if [[ $bad == 1 || ${BATS_TEST_COMPLETED:-} != 1 ]]; then
		tail -n 20 "${logs[@]}" /dev/null
	fi
	return "$bad"
}

setup() {
	sfs_setup
}

teardown() {
	sfs_teardown
}
