# Finds the command's path among the words: the longest one known, flags and their values left out.

function __ultracloud_plain
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip -eq 1
            set skip 0
        else if string match -q -- '--*=*' $word
            continue
        else if string match -q -- '-*' $word
            contains -- $word $__ultracloud_bare; or set skip 1
        else
            echo -- $word
        end
    end
end

function __ultracloud_path
    set -l path
    for word in (__ultracloud_plain)
        contains -- (string join ' ' -- $path $word) $__ultracloud_paths; or break
        set -a path $word
    end
    string join ' ' -- $path
end

function __ultracloud_at
    test (__ultracloud_path | string collect --allow-empty) = "$argv"
end

function __ultracloud_arguments
    set -l depth (count (string split -n ' ' -- (__ultracloud_path)))
    set -l words (__ultracloud_plain)
    test (count $words) -gt $depth; and printf '%s\n' $words[(math $depth + 1)..]
end

function __ultracloud_targets
    set -l current (commandline -ct)
    string match -q '*/*' -- $current; or return
    set -l kind (string split -m 1 / -- $current)[1]
    for name in (ultracloud __complete $kind -- (commandline -opc)[2..] 2>/dev/null)
        echo $kind/$name
    end
end
