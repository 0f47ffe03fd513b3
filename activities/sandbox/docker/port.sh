# What carries one connection to port $1 of a workspace: standard input goes there, what comes from there is the output.
# When that side has ended, all has; when the other has, an answer may still come. `socat` waits alike for both, so it is
# listened to. The first line of standard error is its process id, for who must end it; what follows is what failed.
exec 3>&1
sh -c 'echo $$ >&2; exec socat -d -d -t 600 - "TCP4:127.0.0.1:$0"' "$1" 2>&1 >&3 | {
    exec 3>&-
    read -r pid
    echo "$pid" >&2
    while read -r line; do
        case $line in
        *' socket 2 '*' is at EOF'*) kill "$pid" 2>/dev/null ;;
        *' E '* | *'not found'*) echo "$line" >&2 ;;
        esac
    done
}
