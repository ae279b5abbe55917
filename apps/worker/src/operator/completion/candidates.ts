/** The words that may follow on a command line, by the description of the commands. Pure. */
import type { Completions } from "effect/cli"

export interface Candidate {
  readonly value: string
  readonly description: string
}

export type Candidates =
  | { readonly _tag: "Values"; readonly values: ReadonlyArray<Candidate> }
  /** Ids or names that the deployment has. `positional`: the arguments before it. */
  | {
      readonly _tag: "Rows"
      readonly kind: string
      readonly positional: ReadonlyArray<string>
      readonly flags: ReadonlyMap<string, string>
    }
  | { readonly _tag: "Files" }

const values = (all: ReadonlyArray<Candidate>, prefix: string): Candidates => ({
  _tag: "Values",
  values: all.filter(({ value }) => value.startsWith(prefix))
})

/** Kinds of rows that are completed, by the names of flags and arguments. */
const kinds: Readonly<Record<string, string>> = {
  approval: "approval",
  before: "turn",
  context: "context",
  device: "device",
  item: "item",
  model: "model",
  request: "request",
  session: "session",
  target: "target",
  turn: "turn",
  worker: "worker"
}

const namesOf = ({ aliases, name }: Completions.FlagDescriptor): ReadonlyArray<string> => [
  `--${name}`,
  ...aliases.map((alias) => (alias.length === 1 ? `-${alias}` : `--${alias}`))
]

/** `words`: after the name of the program; the last one is being typed. */
export const candidates = (root: Completions.CommandDescriptor, words: ReadonlyArray<string>): Candidates => {
  // bash separates a flag and its value at "=".
  const typed = words
    .filter((word) => word !== "=")
    .flatMap((word) => (/^--\w[\w-]*=/.test(word) ? word.split(/=(.*)/s, 2) : [word]))
  const prefix = typed.at(-1) ?? ""
  let command = root
  let awaiting: Completions.FlagDescriptor | undefined
  const positional: Array<string> = []
  const flags = new Map<string, string>()
  for (const word of typed.slice(0, -1)) {
    const flag = command.flags.find((each) => namesOf(each).includes(word))
    const inner = command.subcommands.find(({ name }) => name === word)
    if (awaiting !== undefined) {
      flags.set(awaiting.name, word)
      awaiting = undefined
    } else if (flag !== undefined) {
      if (flag.type._tag === "Boolean") flags.set(flag.name, "true")
      else awaiting = flag
    } else if (inner !== undefined && positional.length === 0) command = inner
    else if (!word.startsWith("-")) positional.push(word)
  }
  const valueOf = (name: string, type: Completions.FlagType | Completions.ArgumentType): Candidates => {
    if (type._tag === "Choice")
      return values(
        type.values.map((value) => ({ value, description: "" })),
        prefix
      )
    const kind = kinds[name]
    if (kind !== undefined) return { _tag: "Rows", kind, positional, flags }
    return type._tag === "Path" || /^(?:attach|data|directory|path|prompt-file)$/.test(name)
      ? { _tag: "Files" }
      : values([], prefix)
  }
  if (awaiting !== undefined) return valueOf(awaiting.name, awaiting.type)
  if (prefix.startsWith("-")) {
    const unused = command.flags.filter((flag) => !flags.has(flag.name))
    return values(
      unused.map(({ description = "", name }) => ({ value: `--${name}`, description })),
      prefix
    )
  }
  if (command.subcommands.length > 0) {
    return values(
      command.subcommands.map(({ description = "", name }) => ({ value: name, description })),
      prefix
    )
  }
  const argument = command.arguments[positional.length] ?? command.arguments.findLast(({ variadic }) => variadic)
  return argument === undefined ? values([], prefix) : valueOf(argument.name, argument.type)
}
