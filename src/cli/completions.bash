# Between bash, which parts words at `=` and knows of quotes, and what asks imgfile, which does neither.
_imgfile_words() {
    local quoted="${COMP_WORDS[COMP_CWORD]}" at word before=''
    local -a words=("${COMP_WORDS[0]}")
    # `--image=my` comes in three words.
    for at in "${!COMP_WORDS[@]}"; do
        ((at > 0)) || continue
        ((at <= COMP_CWORD)) || break
        word="${COMP_WORDS[at]}"
        if [[ $word == '=' && ${words[-1]} == --* ]]; then
            words[-1]+='='
        elif [[ ${words[-1]} == --*= ]]; then
            before="${words[-1]}"
            words[-1]+="$word"
        else
            before=''
            words+=("$word")
        fi
    done
    [[ ${words[-1]} == --*= ]] && before="${words[-1]}"
    local COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1))
    # A blank that is escaped is a part of the word.
    word="${words[-1]//\\ / }"
    [[ -z $before ]] && word="${2//\\ / }"
    _clap_complete_imgfile "$1" "$word" "$3"
    for at in "${!COMPREPLY[@]}"; do
        word="${COMPREPLY[at]#"$before"}"
        case "$quoted:$word" in
            [\"\']*) ;;
            *[[:blank:]]*) word=$(printf %q "$word") ;;
        esac
        COMPREPLY[at]="$word"
    done
}
complete -o nospace -o bashdefault -F _imgfile_words imgfile
