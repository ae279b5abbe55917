/** The text on the screen of a terminal, by an emulator. */
import { until } from "@opencode-worker/harness"
import { Terminal } from "@xterm/headless"

export const size = { columns: 100, rows: 40 }

interface Source {
  readonly stdout: () => string
  readonly isAlive: () => boolean
}

/** Follows the output of a command. Spaces at the ends of rows are not part of the text. */
export const screenOf = ({ isAlive, stdout }: Source) => {
  const terminal = new Terminal({ cols: size.columns, rows: size.rows, scrollback: 10_000, allowProposedApi: true })
  let written = 0
  const update = async () => {
    const added = stdout().slice(written)
    written += added.length
    await new Promise<void>((resolve) => terminal.write(added, resolve))
  }
  const text = () => {
    const { active } = terminal.buffer
    return Array.from({ length: active.length }, (_, row) => active.getLine(row)?.translateToString().trimEnd() ?? "")
      .join("\n")
      .trimEnd()
  }
  return {
    /** Waits until the screen, with the rows above it, matches. */
    shows: async (pattern: RegExp) => {
      await until(
        async () => {
          await update()
          return pattern.test(text()) || !isAlive()
        },
        `${pattern}`,
        text
      )
      await update()
      const found = pattern.exec(text())
      if (found === null) throw new Error(`${pattern} is not on the screen:\n${text()}`)
      return found
    }
  }
}
