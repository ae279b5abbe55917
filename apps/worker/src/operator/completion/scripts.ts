/** The scripts that connect a shell to `opencode-worker complete`. */

/** A line that asks the shell for names of files. */
export const filesMarker = ":files"

const bash = `_opencode_worker() {
  local line IFS=$'\\n'
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ "$line" == "${filesMarker}" ]]; then compopt -o default; return; fi
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(opencode-worker complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _opencode_worker opencode-worker`

const zsh = `#compdef opencode-worker
_opencode_worker() {
  local line
  local -a found
  while IFS= read -r line; do
    if [[ "$line" == "${filesMarker}" ]]; then _files; return; fi
    found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <(opencode-worker complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe opencode-worker found
}
compdef _opencode_worker opencode-worker`

const fish = `function __opencode_worker
  set -l words (commandline -opc) (commandline -ct)
  for line in (opencode-worker complete -- $words[2..-1] 2>/dev/null)
    if test "$line" = "${filesMarker}"
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c opencode-worker -f -a '(__opencode_worker)'`

export const shells = ["bash", "zsh", "fish"] as const

export const scripts: Readonly<Record<(typeof shells)[number], string>> = { bash, zsh, fish }
