# What a script in a guest may use, after `. /opt/payload/prelude.sh`.

# await CONDITION: until the shell says so; two minutes at most, and then the script ends.
await() {
    tries=0
    until eval "$1" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || { echo "did not come about: $1" >&2; exit 9; }
        sleep 0.2
    done
}
# pressure RESOURCE LINE PERCENT: its average over 10 s is above that
pressure() {
    awk -F '[= ]' -v line="$2" -v least="$3" '$1 == line && $3 > least {f = 1} END {exit !f}' "/proc/pressure/$1"
}
# The work of the boot, or of what was done before, is over: far enough that no check is near its threshold.
calm() { ! pressure cpu some 10 && ! pressure memory some 2 && ! pressure io full 3; }

# warm ARGS: sretool from warm.py, into answer.json, as the user $as
as=root
warm() {
    if [ ! -p /run/warm/ask ]; then
        systemd-run --quiet --unit=warm -E PYTHONPATH -E LC_ALL python3 /opt/payload/warm.py
        await '[ -p /run/warm/ask ]'
    fi
    printf '%s\n' "$PWD" "$as" "$@" >/run/warm/ask
    read -r code </run/warm/done
    return "$code"
}
# into FILE ARGS: as warm, but into that file
into() {
    file=$1
    shift
    warm "$@"
    mv answer.json "$file"
}
