"""The scripts that a shell evaluates to complete commands of tcdflow.

A candidate that ends in a blank is whole; one that does not, such as ``sampling.``, is typed on.
"""

from __future__ import annotations

_BASH = """\
_tcdflow() {
    local found
    COMPREPLY=()
    while IFS= read -r found; do
        COMPREPLY+=("$found")
    done < <(COMP_LINE=$COMP_LINE COMP_POINT=$COMP_POINT COMP_WORDBREAKS=$COMP_WORDBREAKS \\
        "${COMP_WORDS[0]/#\\~/$HOME}" -sc query=bash 2>/dev/null)
}
complete -o nospace -o default -F _tcdflow tcdflow"""

_ZSH = """\
_tcdflow() {
    local one
    local -a whole open
    for one in "${(@f)$(COMP_LINE="${(j: :)words[1,CURRENT]}" "${words[1]/#\\~/$HOME}" -sc query=zsh 2>/dev/null)}"; do
        if [[ $one == *' ' ]]; then whole+=("${one% }"); elif [[ -n $one ]]; then open+=("$one"); fi
    done
    (( $#whole )) && compadd -a whole
    (( $#open )) && compadd -S '' -a open
    (( $#whole + $#open )) || _files
}
compdef _tcdflow tcdflow"""

_FISH = """\
function __tcdflow_complete
    set -lx COMP_LINE (commandline -cp)
    set -l words (commandline -po)
    $words[1] -sc query=fish 2>/dev/null | string trim --right
end
complete -c tcdflow -e
complete -c tcdflow -f -a '(__tcdflow_complete)'"""

SCRIPTS = {
    ("bash", "install"): _BASH,
    ("bash", "uninstall"): "complete -r tcdflow; unset -f _tcdflow",
    ("zsh", "install"): _ZSH,
    ("zsh", "uninstall"): "compdef -d tcdflow; unfunction _tcdflow",
    ("fish", "install"): _FISH,
    ("fish", "uninstall"): "complete -c tcdflow -e; functions -e __tcdflow_complete",
}
"""By shell, and by what it is to do."""
