# Functions of the scripts that install what is missing; sourced, not run.

say_and_stop() {
    echo "$1" >&2
    exit 1
}

# have reports whether there is a program, also one for administrators.
have() {
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null
}

# apt_install installs packages. A daemon among them is neither started nor will it be
# with the machine: we start our own.
apt_install() (
    root=()
    if ((EUID != 0)); then
        have sudo || say_and_stop "install these as root, then try again: $*"
        root=(sudo)
    fi
    have apt-get || say_and_stop "install these with your system's packages, then try again: $*"
    echo "installing with apt: $*"
    policy=/usr/sbin/policy-rc.d # asked by every package before it starts a daemon
    if [[ ! -e $policy ]]; then
        trap '"${root[@]}" rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
        "${root[@]}" chmod 755 "$policy"
    fi
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    for package in "$@"; do
        case $package in
        nginx | caddy | postgresql | pgbouncer | redis-server | redis-sentinel | prometheus)
            if have systemctl; then
                "${root[@]}" systemctl disable --quiet "$package" 2>/dev/null
            fi
            ;;
        esac
    done
)
