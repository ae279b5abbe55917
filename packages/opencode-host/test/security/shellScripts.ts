/** Shell scripts in which OpenCode's parser finds nothing to ask for, each with a side effect. */

/** A script, given the file that it makes. */
type Script = (file: string) => string

/** Without a single simple command, in every POSIX shell. */
const everywhere: ReadonlyArray<Script> = [
  (file) => `> ${file}`,
  (file) => `>> ${file}`,
  (file) => `{ > ${file}; }`,
  (file) => `( > ${file} )`,
  (file) => `if > ${file}; then > ${file}; fi`,
  (file) => `for word in one two; do > ${file}; done`,
  (file) => `case one in one) > ${file};; esac`,
  (file) => `export -p > ${file}`,
  (file) => `readonly -p > ${file}`,
  (file) => `name=value > ${file}`,
  (file) => `x=$(> ${file})`,
  (file) => `unset name > ${file}`
]

/** Also without one, in shells that have arrays. */
const withArrays: ReadonlyArray<Script> = [
  (file) => `x='a[$(: > ${file})]'; [[ $x -eq 0 ]]`,
  (file) => `declare -p HOME > ${file}`,
  (file) => `typeset -x y=1 > ${file}`,
  (file) => `[[ -n $(> ${file}) ]]`,
  (file) => `declare X=$(> ${file}); declare -p X`,
  (file) => `(( $(> ${file}) + 1 ))`,
  (file) => `[[ one == one ]] > ${file}`
]

const wrappers: ReadonlyArray<(script: string) => string> = [
  (script) => script,
  (script) => `{ ${script}\n}`,
  (script) => `if [ ]; then x=1; else ${script}\nfi`,
  (script) => `# a comment\n\n${script}`,
  (script) => `\t${script} # a comment`
]

/** Lines after it that no shell can read: a shell runs a script line by line, and a parser may give up. */
const ends = [
  "",
  "\n)",
  "\n}",
  '\n"',
  "\n'",
  "\n$((",
  "\ncase x in",
  "\n<<EOF",
  "\n;;",
  "\nfi",
  "\n`",
  "\n\u00e9\u2028(",
  "\n() {",
  "\\"
]

/** A small generator of pseudo-random numbers below 1 (mulberry32): a failure is found again by its seed. */
const randomOf = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** `count` scripts for a shell, each of which may make its own file and no other. */
export const scriptsFor = (shell: string, count: number, seed: number, fileOf: (index: number) => string) => {
  const random = randomOf(seed)
  const one = <A>(from: ReadonlyArray<A>): A => from[Math.floor(random() * from.length)]!
  const makers = shell === "sh" ? everywhere : [...everywhere, ...withArrays]
  return Array.from({ length: count }, (_, index) => {
    const lines = Array.from({ length: 1 + Math.floor(random() * 3) }, () => one(makers)(fileOf(index)))
    return one(wrappers)(lines.join("\n")) + one(ends)
  })
}
