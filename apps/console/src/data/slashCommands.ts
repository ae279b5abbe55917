/** OpenCode's own commands in the text of a prompt. Pure. */
import type { Catalog } from "@opencode-worker/client"

/** A command that the directory of a machine offers. */
export type Offered = Pick<Catalog["commands"][number], "name" | "description">

/** `unknown`: the text begins like a command, but the machine offers none of this name. */
export type Slash =
  | { readonly kind: "command"; readonly name: string; readonly args: string }
  | { readonly kind: "unknown"; readonly name: string }

/** The command of a text. Null if it is a prompt: a path is one, and so is a text that begins with a space. */
export const slashOf = (text: string, offered: ReadonlyArray<Offered>): Slash | null => {
  const [, name, args = ""] = /^\/(\S+)(?:\s+([^]*))?$/.exec(text.trimEnd()) ?? []
  if (name === undefined) return null
  if (offered.some((each) => each.name === name)) return { kind: "command", name, args: args.trim() }
  return /^[a-z][a-z-]*$/.test(name) ? { kind: "unknown", name } : null
}

/** The commands to offer while a name is typed: those that begin with it, then those that contain it. */
export const hintsFor = (text: string, offered: ReadonlyArray<Offered>): ReadonlyArray<Offered> => {
  const [, typed] = /^\/(\S*)$/.exec(text) ?? []
  if (typed === undefined) return []
  const part = typed.toLowerCase()
  const found = offered.filter(({ name }) => name.toLowerCase().includes(part))
  const begins = ({ name }: Offered) => (name.toLowerCase().startsWith(part) ? 0 : 1)
  return found.toSorted((a, b) => begins(a) - begins(b) || (a.name < b.name ? -1 : 1))
}

/** The text of a prompt after a command was chosen: its arguments follow. */
export const chosenText = ({ name }: Offered): string => `/${name} `
