# What one controller executes in a workspace to move files: $1 says what, in /work.
#   put ID PATH: a tar on standard input with `item` and last a mark; afterwards it is all there, or nothing of it
#   get PATH: a tar of it        list PATH DEPTH: what is in it
#   pack: a tar of all           unpack ID: the tar of all from standard input takes the place of what is there
#   mend: nothing but what each does first
# 44: there is no such path   45: the tar was cut   46: something is in the way
cd /work || exit 44
umask 022

# Whoever dies, the new is whole or not there at all: it is made aside, in `new` of a directory that says whose it is.
# What is there goes to `old`, then that is called `out` and the new comes. So whoever finds a stage whose process has
# died knows how to undo it, and takes it by giving it a name of his own: one does, however many try.
stage=.resprout-$2.$$
unstage() {
    code=$?
    undo
    exit "${1:-$code}"
}

undo() {
    if [ -d "$stage/out" ]; then
        move_all . "$stage/new" && mv -T "$stage/out" "$stage/old"
    fi
    if [ -d "$stage/old" ]; then
        move_all "$stage/old" . && rmdir "$stage/old" || return # what is in it is nowhere else
    fi
    chmod -R u+rwX "$stage" 2>/dev/null
    rm -rf "$stage"
}

mend() {
    own=$stage
    for one in .resprout-*.[0-9]*; do
        [ ! -d "$one" ] || [ -d "/proc/${one##*.}" ] || ! mv -T "$one" "${one%.*}.$$" 2>/dev/null && continue
        stage=${one%.*}.$$
        undo
    done
    stage=$own
}

staged() {
    mkdir "$stage" "$stage/new" || exit
    trap 'unstage 45' HUP INT TERM
    tar -xpif - --no-same-owner -C "$stage/new" || { code=$?; [ -e "$stage/new/.resprout-whole" ] || code=45; unstage $code; }
    [ -e "$stage/new/.resprout-whole" ] || unstage 45
    chmod u+rwx "$stage/new"
    rm -f "$stage/new/.resprout-whole"
}

# Whether a file would come where a directory is, or the other way round, or where nothing may be written.
is_in_the_way() {
    find "$1" -exec sh -c '
        top=$1 target=$2
        shift 2
        for one; do
            there=$target${one#"$top"}
            if [ ! -d "$one" ]; then
                [ ! -d "$there" ] || [ -L "$there" ] || exit 1
            elif [ -e "$there" ] || [ -L "$there" ]; then
                [ -d "$there" ] && [ ! -L "$there" ] && [ -w "$there" ] || exit 1
            fi
        done' sh "$1" "$2" {} + || return 0
    return 1
}

put() {
    staged
    item=$stage/new/item target=$3
    case $target in */ | .) target=${target%/}/$4 ;; *) [ ! -d "$target" ] || target=$target/$4 ;; esac
    target=./$target
    ! is_in_the_way "$item" "$target" || unstage 46
    mkdir -p -- "$(dirname -- "$target")" || unstage
    if [ -d "$item" ]; then
        mkdir -p -- "$target" && cp -rlT --remove-destination -- "$item" "$target" || unstage
    else
        [ ! -d "$target" ] || unstage 46
        mv -fT -- "$item" "$target" || unstage
    fi
    unstage 0
}

# A directory that may not be written to cannot be moved.
move() {
    if [ -d "$1" ] && [ ! -L "$1" ] && [ ! -w "$1" ]; then
        mode=$(find "$1" -maxdepth 0 -printf %m)
        chmod u+w -- "$1" && mv -- "$1" "$2" && chmod "$mode" -- "$2/${1##*/}"
    else
        mv -- "$1" "$2"
    fi
}

# All but stages, also when one cannot be.
move_all() {
    moved=yes
    for one in "$1"/* "$1"/.[!.]* "$1"/..?*; do
        case $one in ./.resprout-*) continue ;; esac
        [ ! -e "$one" ] && [ ! -L "$one" ] || move "$one" "$2/" || moved=''
    done
    [ $moved ]
}

unpack() {
    staged
    mkdir "$stage/old" && move_all . "$stage/old" || unstage
    mv -T "$stage/old" "$stage/out" && move_all "$stage/new" . || unstage
    mv -T "$stage/out" "$stage/gone" || unstage
    unstage 0
}

mend
case $1 in
put) put "$@" ;;
get)
    [ -e "$2" ] || [ -L "$2" ] || exit 44
    [ -d "$2" ] && [ ! -L "$2" ] && exec tar -cf - --exclude='./.resprout-*' -C "$2" .
    exec tar -cf - -C "$(dirname -- "$2")" -- "$(basename -- "$2")"
    ;;
list)
    [ -e "$2" ] || [ -L "$2" ] || exit 44
    least=1
    [ -d "$2" ] && [ ! -L "$2" ] || least=0
    exec find "./$2" -mindepth $least -maxdepth "$3" ! -path './.resprout-*' -printf '%y %s %T@ %m %P\0'
    ;;
pack) exec tar -Scf - --exclude='./.resprout-*' . ;;
unpack) unpack "$@" ;;
esac
