# The part of the completion for bash that is the same for every command; the tables stand before it.

_ultracloud_names() {
  local kind="$1"
  shift
  ultracloud __complete "$kind" -- "$@" 2>/dev/null
}

_ultracloud() {
  local -a words args
  local piece previous='' word='' joined='' path='' expect='' cur='' prefix='' found='' flag=''
  local i=0
  local IFS=$' \t\n'
  COMPREPLY=()

  # Bash splits at = and : by default: put the pieces together again.
  words=()
  for ((i = 1; i <= COMP_CWORD; i++)); do
    piece="${COMP_WORDS[i]}"
    if [[ $i -gt 1 && ( $piece == [=:]* || $previous == *[=:] ) && $previous != '' ]]; then
      joined="${words[${#words[@]}-1]}$piece"
      words[${#words[@]}-1]="$joined"
    else
      words+=("$piece")
    fi
    previous="$piece"
  done
  cur="${words[${#words[@]}-1]}"

  args=()
  for ((i = 0; i < ${#words[@]} - 1; i++)); do
    word="${words[i]}"
    if [[ -n $expect ]]; then
      expect=''
    elif [[ $word == --*=* ]]; then
      continue
    elif [[ $word == -* ]]; then
      if _ultracloud_value "$path" "$word" >/dev/null; then expect="$word"; fi
    elif [[ $path != get && $path != why && $path != help && " $(_ultracloud_words "$path") " == *" $word "* ]]; then
      path="${path:+$path }$word"
    else
      args+=("$word")
    fi
  done

  flag="$expect"
  prefix=''
  if [[ -z $expect && $cur == --*=* ]]; then
    flag="${cur%%=*}"
    prefix="$flag="
  fi
  if [[ -n $flag ]]; then
    found="$(_ultracloud_value "$path" "$flag")"
    case "$found" in
      '@names '*) found="$(_ultracloud_names "${found#@names }" "${words[@]}")" ;;
      @files)
        if [[ $cur == @* ]]; then COMPREPLY=($(compgen -P @ -f -- "${cur#@}")); fi
        return ;;
    esac
  elif [[ $cur == -* ]]; then
    found="$(_ultracloud_flags "$path")"
  elif [[ $path == get && ${#args[@]} -ge 1 ]]; then
    if [[ ${#args[@]} -eq 1 ]]; then found="$(_ultracloud_names "${args[0]}" "${words[@]}")"; fi
  elif [[ $path == why && $cur == */* ]]; then
    prefix="${cur%%/*}/"
    found="$(_ultracloud_names "${cur%%/*}" "${words[@]}")"
  elif [[ $path == help && ${#args[@]} -ge 1 ]]; then
    found="$(_ultracloud_words "${args[*]}")"
  elif [[ ${#args[@]} -eq 0 ]]; then
    found="$(_ultracloud_words "$path")"
  fi

  COMPREPLY=($(compgen -P "$prefix" -W "$found" -- "${cur#"$prefix"}"))
  if [[ $path == why && $prefix == '' && $cur != -* && -z $flag ]]; then
    COMPREPLY=("${COMPREPLY[@]/%//}")
    compopt -o nospace 2>/dev/null
  fi
  # Readline replaces what comes after the last = or : alone.
  if [[ $cur == *[=:]* && $COMP_WORDBREAKS == *[=:]* ]]; then
    local kept="${cur%"${cur##*[=:]}"}"
    COMPREPLY=("${COMPREPLY[@]#"$kept"}")
  fi
}

complete -o nosort -o default -F _ultracloud ultracloud 2>/dev/null || complete -o default -F _ultracloud ultracloud
