# shellcheck shell=bash
# What `check` reports and `apply` changes: one table, and how its rows are looked at. Sourced by both; changes nothing.
#
# CORECAST_TUNING_ROOT is put before /proc, /sys, /etc and /var: the tests show the scripts another host by it.

root=${CORECAST_TUNING_ROOT:-}
connections=100000
pid=self

# The server's own bounds (src/limits.rs, connections_max in src/node.rs); tests/tuning.rs compares.
listen_backlog=4096
memlock_bytes_per_core=524288
descriptors_reserved=64
descriptors_per_core=16
queue_bytes_max=1048576

# The rows: name | rule | of what | wanted | how | reason.
#   of what  a file, a pattern of files, `limit:` and its line in /proc/PID/limits, or @ and a function below that lists
#            several with the value that is wanted of each
#   how      `write`: apply writes it; `told`: it cannot, and prints what advice_NAME says
items() {
	local cpus descriptors
	cpus=$(count "$(cpus_allowed)")
	descriptors=$((connections + descriptors_reserved + descriptors_per_core * cpus))
	cat <<TABLE
kernel             | version_at_least | /proc/sys/kernel/osrelease         | 6.1                                    | told  | the server's ring needs it: it does not start with less
io_uring_disabled  | is               | /proc/sys/kernel/io_uring_disabled | 0                                      | write | the server does not start without io_uring
io_uring           | allowed          | @io_uring                          | allowed                                | told  | container runtimes deny it by default
nofile             | at_least         | limit:Max open files               | $descriptors                           | told  | a descriptor per connection, for $connections of them (--connections)
nr_open            | at_least         | /proc/sys/fs/nr_open               | $descriptors                           | write | nofile cannot be set higher
file_max           | at_least         | /proc/sys/fs/file-max              | $((descriptors + 10000))               | write | open files of all processes together
memlock            | at_least         | limit:Max locked memory            | $((cpus * memlock_bytes_per_core))     | told  | 512 KiB for the rings of each core: the server does not start with less
somaxconn          | at_least         | /proc/sys/net/core/somaxconn       | $listen_backlog                        | write | connections that may wait to be accepted; more of a storm is dropped and tries again in a second
tcp_rmem           | last_at_least    | /proc/sys/net/ipv4/tcp_rmem        | $queue_bytes_max                       | write | what may come per round trip of one connection
tcp_wmem           | last_at_least    | /proc/sys/net/ipv4/tcp_wmem        | $queue_bytes_max                       | write | what may leave per round trip of one connection
governor           | is               | /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor | performance    | write | a core that sleeps between messages is clocked up too late for each
irq                | placed           | @irq                               | no CPU has more queues than others     | write | one CPU would do the receiving for all cores
rps                | spread           | @rps                               | CPUs where queues are fewer, else none | write | queues fewer than cores: the kernel has to spread what comes
rfs                | at_least         | @rfs                               | 32768 flows where queues are fewer     | write | what comes is spread to the core that has the connection
thp                | one_of           | /sys/kernel/mm/transparent_hugepage/enabled | madvise never                 | write | small records of many connections would take, and wait for, pages of 2 MiB
conntrack          | at_least         | /proc/sys/net/netfilter/nf_conntrack_max | $((2 * connections))             | write | a full table drops new connections; closed ones stay in it for two minutes
TABLE
}

# Rules: does the value hold against the wanted one? 0 yes, 1 no, 2 cannot be said.

at_least() {
	[ "$1" = unlimited ] && return 0
	[[ $1 =~ ^[0-9]+$ ]] || return 2
	# Limits may be beyond what the shell can count; leading zeros would make them octal.
	((${#1} > 18 || 10#$1 >= $2))
}

last_at_least() {
	at_least "${1##*[[:blank:]]}" "$2"
}

version_at_least() {
	[[ $1 =~ ^[0-9]+\.[0-9]+ ]] || return 2
	[ "$(printf '%s\n%s\n' "$2" "${BASH_REMATCH[0]}" | sort -V | head -n 1)" = "$2" ]
}

is() {
	[ "$1" = "$2" ]
}

# The kernel shows a choice as `always [madvise] never`.
one_of() {
	[[ " $2 " == *" $(chosen "$1") "* ]]
}

allowed() {
	[ "$1" != unknown ] || return 2
	[ "$1" = allowed ]
}

# An interrupt of which nothing is wanted stands well.
placed() {
	[ -z "$2" ] || [ "$1" = "$2" ]
}

# Any CPUs are the operator's choice; all of them is only what `apply` writes where there are none.
spread() {
	if [ "$2" = 0 ]; then empty_mask "$1"; else ! empty_mask "$1"; fi
}

# What `apply` writes so that the rule holds: rule, value, wanted.
written() {
	case $1 in
	last_at_least) printf '%s' "${2%"${2##*[[:blank:]]}"}$3" ;;
	one_of) printf '%s' "${3%% *}" ;;
	*) printf '%s' "$3" ;;
	esac
}

# What `undo` writes to bring the value back: rule, value.
restored() {
	case $1 in
	one_of) chosen "$2" ;;
	*) printf '%s' "$2" ;;
	esac
}

# What a person reads as wanted: rule, of what, wanted.
wished() {
	case $2,$1 in
	@*) printf '%s' "$3" ;;
	*,at_least | *,version_at_least) printf '>= %s' "$3" ;;
	*,last_at_least) printf 'last >= %s' "$3" ;;
	*,one_of) printf '%s' "${3// / or }" ;;
	*) printf '%s' "$3" ;;
	esac
}

# Lists for rows with @: one `target` for each value. A row without any is not here.

# A file that `apply` could write (or nothing), its value, what is wanted of it, and what to show instead of the value.
target() {
	printf '%s\x1f%s\x1f%s\x1f%s\n' "$1" "$2" "$3" "${4:-}"
}

# Asks the kernel by a call that cannot succeed: a filter answers before the arguments are looked at. Perl belongs to
# every Debian; without it only the absence of filters is a proof.
list_io_uring() {
	local errno answer=unknown
	if [ -z "$root" ] && command -v perl >/dev/null 2>&1; then
		errno=$(perl -e 'print syscall(425, 0, 0) < 0 ? $! + 0 : 0')
		case $errno in
		1 | 13) answer='denied' ;;
		38) answer='none in this kernel, or denied' ;;
		*) answer=allowed ;;
		esac
	elif grep -q '^Seccomp:[[:blank:]]*0$' "$root/proc/self/status" 2>/dev/null; then
		answer=allowed
	fi
	target '' "$answer" allowed
}

# Receive interrupts of each card, in turn over the CPUs where they stand badly now.
list_irq() {
	local card irqs irq cpus file good wanted i
	mapfile -t cpus < <(expand "$(cpus_online)")
	while read -r card; do
		mapfile -t irqs < <(receive_interrupts "$card")
		good=yes
		are_spread "${#cpus[@]}" "${irqs[@]}" || good=no
		for i in "${!irqs[@]}"; do
			irq=${irqs[i]}
			file=$root/proc/irq/$irq/smp_affinity_list
			wanted=
			[ "$good" = yes ] || wanted=${cpus[i % ${#cpus[@]}]}
			target "$file" "$(cat "$file")" "$wanted" "CPU $(cpu_of_interrupt "$irq")"
		done
	done < <(cards)
}

list_rps() {
	local card queue wanted
	while read -r card; do
		wanted=0
		needs_spreading "$card" && wanted=$(mask "$(cpus_online)")
		for queue in "$card"/queues/rx-*/rps_cpus; do
			[ -r "$queue" ] && target "$queue" "$(cat "$queue")" "$wanted"
		done
	done < <(cards)
}

# The table of all flows, and the share of each queue.
list_rfs() {
	local card queue queues all=$root/proc/sys/net/core/rps_sock_flow_entries
	while read -r card; do
		needs_spreading "$card" || continue
		queues=$(rx_queues "$card")
		[ -r "$all" ] && target "$all" "$(cat "$all")" 32768
		for queue in "$card"/queues/rx-*/rps_flow_cnt; do
			[ -r "$queue" ] && target "$queue" "$(cat "$queue")" $((32768 / queues))
		done
	done < <(cards) | sort -u
}

# What to do by hand, with $1 as the wanted value.

advice_kernel() {
	echo "install a kernel of version $1 or later (Debian 12 has 6.1), then restart the host"
}

advice_io_uring() {
	cat <<-TEXT
	take tuning/seccomp.json, or in your seccomp profile of the container, beside the other allowed calls:
	    { "names": ["io_uring_setup", "io_uring_enter", "io_uring_register"], "action": "SCMP_ACT_ALLOW" }
	then: docker run --security-opt seccomp=PROFILE.json
	in a systemd unit with SystemCallFilter=:
	    SystemCallFilter=io_uring_setup io_uring_enter io_uring_register
	TEXT
}

advice_nofile() {
	advice_limit LimitNOFILE nofile "$1" "$1"
}

advice_memlock() {
	advice_limit LimitMEMLOCK memlock "$1" $(($1 / 1024))
}

# The lines for systemd, for a login (pam counts locked memory in KiB) and for Docker.
advice_limit() {
	cat <<-TEXT
	a running process keeps its limits; for the next start, one of:
	    [Service]                                   in the unit (systemctl edit corecast)
	    $1=$3
	    * hard $2 $4                     in /etc/security/limits.d/corecast.conf (then log in again)
	    docker run --ulimit $2=$3
	the server raises its soft limit to the hard one by itself
	TEXT
}

# Looks at one row: sets `state` (good, bad, absent, unknown), `value` as shown, and the files that are not as wanted in
# `bad_files`, with `bad_values` and `bad_wanted`.
# shellcheck disable=SC2034 # Read by check and apply.
look() {
	local rule=$1 where=$2 wanted=$3 file is_now wants shown verdict
	local -a all=()
	state=absent value='' bad_files=() bad_values=() bad_wanted=()
	while IFS=$'\x1f' read -r file is_now wants shown; do
		all+=("${shown:-$(chosen "$is_now")}")
		verdict=0
		"$rule" "$is_now" "$wants" || verdict=$?
		case $verdict in
		0) [ "$state" != absent ] || state=good ;;
		1) state=bad bad_files+=("$file") bad_values+=("$is_now") bad_wanted+=("$wants") ;;
		*) [ "$state" = bad ] || state=unknown ;;
		esac
	done < <(list "$where" "$wanted")
	if [ "$state" = absent ]; then value='not here'; else value=$(summary "${all[@]}"); fi
}

# The targets of a row.
list() {
	local file
	case $1 in
	@*) "list_${1#@}" ;;
	limit:*) list_limit "${1#limit:}" "$2" ;;
	*)
		# A pattern, or the one name; what is not there or cannot be read is no line.
		for file in "$root"$1; do
			[ -r "$file" ] && target "$file" "$(cat "$file")" "$2"
		done
		;;
	esac
}

# The hard limit: the server raises the soft one to it.
list_limit() {
	local line
	line=$(grep "^$1 " "$root/proc/$pid/limits" 2>/dev/null) || return 0
	read -r _ line _ <<<"${line#"$1"}"
	target '' "$line" "$2"
}

# Calls a function with the fields of each row: name, rule, of what, wanted, how, reason.
each_item() {
	local function=$1 name rule where wanted how reason
	# The table on a descriptor of its own: what is called may read its input.
	while IFS='|' read -r -u 9 name rule where wanted how reason; do
		"$function" "$(trim "$name")" "$(trim "$rule")" "$(trim "$where")" "$(trim "$wanted")" "$(trim "$how")" \
			"$(trim "$reason")"
	done 9< <(items)
}

# Options that both scripts have.

take_connections() {
	if ! [[ $1 =~ ^[1-9][0-9]{0,8}$ ]]; then
		echo "--connections wants a number from 1 to 999999999" >&2
		return 1
	fi
	connections=$1
}

take_pid() {
	if ! [[ $1 =~ ^[0-9]+$ && -r $root/proc/$1/limits ]]; then
		echo "--pid wants a process of this host" >&2
		return 1
	fi
	pid=$1
}

# Helpers.

chosen() {
	if [[ $1 =~ \[([a-z]+)\] ]]; then printf '%s' "${BASH_REMATCH[1]}"; else printf '%s' "$1"; fi
}

trim() {
	local text=$1
	text=${text#"${text%%[![:blank:]]*}"}
	printf '%s' "${text%"${text##*[![:blank:]]}"}"
}

# Different values once each, with their number where there are several of one.
summary() {
	local text
	text=$(printf '%s\n' "${@//$'\t'/ }" | sort -V | uniq -c | while read -r times one; do
		[ "$times" = 1 ] || printf '%s x ' "$times"
		printf '%s, ' "$one"
	done)
	text=${text%, }
	if ((${#text} > 40)); then printf '%s...' "${text:0:37}"; else printf '%s' "$text"; fi
}

# `0-3,8` as one number per line.
expand() {
	local part
	for part in ${1//,/ }; do
		seq "${part%-*}" "${part#*-}"
	done
}

count() {
	expand "$1" | wc -l
}

# `0-3,8` as the kernel writes masks: words of 32 bits in hexadecimal, the highest first.
mask() {
	local cpu word text
	local -a words=()
	while read -r cpu; do
		words[cpu / 32]=$((${words[cpu / 32]:-0} | 1 << cpu % 32))
	done < <(expand "$1")
	set -- "${!words[@]}"
	word=${*: -1}
	printf -v text '%x' "${words[word]}"
	while ((word-- > 0)); do
		printf -v text '%s,%08x' "$text" "${words[word]:-0}"
	done
	printf '%s' "$text"
}

empty_mask() {
	[[ $1 != *[!0,]* ]]
}

cpus_online() {
	cat "$root/sys/devices/system/cpu/online" 2>/dev/null || echo 0
}

# The CPUs that a server started from here would use.
cpus_allowed() {
	local cpus
	cpus=$(sed -n 's/^Cpus_allowed_list:[[:blank:]]*//p' "$root/proc/$pid/status" 2>/dev/null)
	echo "${cpus:-$(cpus_online)}"
}

# Network cards that are up; what has no device behind it (lo, bridges, a container's veth) is none.
cards() {
	local card
	for card in "$root"/sys/class/net/*; do
		[ -e "$card/device" ] && [ "$(cat "$card/operstate")" != down ] && echo "$card"
	done
}

rx_queues() {
	find "$1/queues/" -maxdepth 1 -name 'rx-*' 2>/dev/null | wc -l
}

needs_spreading() {
	(($(rx_queues "$1") < $(count "$(cpus_online)")))
}

# Numbers of a card's interrupts that bring packets, by the names that drivers give them: virtio2-input.0, eth0-TxRx-0,
# ens5-Tx-Rx-0, mlx5_comp0@pci, gve-ntfy-blk0.
receive_interrupts() {
	local folder irq
	# Cards under virtio have their interrupts one step above.
	for folder in "$1/device/msi_irqs" "$1/device/../msi_irqs"; do
		[ -d "$folder" ] || continue
		for irq in "$folder"/*; do
			irq=${irq##*/}
			find "$root/proc/irq/$irq/" -mindepth 1 -maxdepth 1 -type d 2>/dev/null |
				grep -qiE '/[^/]*(input|rx|comp[0-9]|ntfy|mlx4-[0-9])[^/]*$' && echo "$irq"
		done | sort -n
		return
	done
}

# The kernel serves an interrupt with one CPU of those that it may.
cpu_of_interrupt() {
	local cpus
	cpus=$(cat "$root/proc/irq/$1/effective_affinity_list" 2>/dev/null)
	expand "${cpus:-$(cat "$root/proc/irq/$1/smp_affinity_list")}" | head -n 1
}

# Number of CPUs, interrupts: does no CPU serve more than its share?
are_spread() {
	local cpus=$1 irq most
	shift
	read -r most _ < <(for irq in "$@"; do cpu_of_interrupt "$irq"; done | sort | uniq -c | sort -rn)
	((${most:-0} <= ($# + cpus - 1) / cpus))
}
