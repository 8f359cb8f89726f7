# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Packages of Debian, for the host's scripts. Sourced, after common.sh.

updated=''
missing=()

quietly()
{
	local log
	log=$(mktemp)
	if ! "$@" >"$log" 2>&1; then
		tail -n 30 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

need_root()
{
	[ "$(id -u)" = 0 ] ||
		die "$1 needs root: run it as root once, or install by hand: ${missing[*]}"
}

system_update()
{
	[ -z "$updated" ] || return 0
	need_root "apt-get update"
	quietly apt-get -o Acquire::Retries=3 update ||
		die "apt-get update failed: look at the network and at /etc/apt"
	updated=1
}

# install_packages PACKAGE...: those that are not there.
install_packages()
{
	local p installed
	installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		awk '$1 == "installed" { printf "%s ", $2 }') || true
	missing=()
	for p; do
		case " $installed " in
		*" $p "*) ;;
		*) missing+=("$p") ;;
		esac
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	need_root "Installing packages"
	echo "setup: installing ${missing[*]}"
	system_update
	DEBIAN_FRONTEND=noninteractive quietly apt-get -y -o Acquire::Retries=3 \
		install --no-install-recommends "${missing[@]}" ||
		die "apt-get could not install: ${missing[*]}"
}

# derive_sources SUITE FILE: this machine's own entry for its own suite, with
# SUITE in its place, as a deb822 file.
derive_sources()
{
	local own f
	own=$(codename)
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -f "$f" ] || continue
		awk -v RS= -v FS='\n' -v own="$own" -v suite="$1" '
			{
				hit = 0; off = 0; out = ""; skip = 0
				for (i = 1; i <= NF; i++) {
					if ($i ~ /^#/)
						continue
					if ($i !~ /^[ \t]/)
						skip = 0
					key = tolower($i); sub(/:.*/, "", key)
					if ($i ~ /^[ \t]/) {
						if (skip)
							continue
					} else if (key == "suites") {
						n = split($i, w, /[ \t]+/)
						for (j = 2; j <= n; j++)
							if (w[j] == own)
								hit = 1
						skip = 1
						continue
					} else if (key == "types" || key == "components") {
						skip = 1
						continue
					} else if (key == "enabled" && tolower($i) ~ /no/) {
						off = 1
					}
					out = out $i "\n"
				}
				if (hit && !off) {
					printf "Types: deb\nSuites: %s\nComponents: main\n%s", suite, out
					exit
				}
			}' "$f" >"$2"
		[ ! -s "$2" ] || return 0
	done
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$f" ] || continue
		# deb [options] URI suite components
		awk -v own="$own" -v suite="$1" '
			$1 == "deb" {
				i = 2; by = ""
				if ($i ~ /^\[/) {
					for (; i <= NF; i++) {
						o = $i; gsub(/[][]/, "", o)
						if (o ~ /^signed-by=/)
							by = substr(o, 11)
						if ($i ~ /\]$/)
							break
					}
					i++
				}
				if ($(i + 1) != own)
					next
				printf "Types: deb\nSuites: %s\nComponents: main\nURIs: %s\n", suite, $i
				if (by != "")
					printf "Signed-By: %s\n", by
				exit
			}' "$f" >"$2"
		[ ! -s "$2" ] || return 0
	done
	die "no entry for the suite '$own' in /etc/apt/sources.list or /etc/apt/sources.list.d, so none for '$1' can be derived from it"
}
