/** Processes of this machine, as Linux shows them. */
import { readdir, readFile } from "node:fs/promises"

const read = (path: string) => readFile(path, "latin1").catch(() => "")

export interface Found {
  readonly pid: number
  /** The arguments, separated by spaces. */
  readonly command: string
}

/** Living processes whose environment names `root`, wherever in the process tree they are. */
export const processesOf = async (root: string): Promise<ReadonlyArray<Found>> => {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      if (!(await read(`/proc/${pid}/environ`)).includes(root)) return []
      return [{ pid: Number(pid), command: (await read(`/proc/${pid}/cmdline`)).replaceAll("\0", " ") }]
    })
  )
  return found.flat()
}

/** Resident memory of a process, in bytes; 0 when it has ended. */
export const residentBytes = async (pid: number): Promise<number> =>
  1024 * Number(/^VmRSS:\s+(\d+)/m.exec(await read(`/proc/${pid}/status`))?.[1] ?? 0)

/** Signals a process that may have ended. */
export const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended.
  }
}
