/** Reads the processes of this machine: from `/proc` on Linux, else from `ps`. */
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { readdir, readFile } from "node:fs/promises"
import { groupName } from "./controlGroup.ts"
import type { ProcessEntry } from "./belonging.ts"

/** The variable that marks every process below a server. */
export const hostIdVariable = "OPENCODE_HOST_ID"

export const readTable = (hostId: string): Promise<ReadonlyArray<ProcessEntry>> =>
  process.platform === "linux" ? fromProc(hostId) : fromPs(hostId)

/** Kills a process, unless its pid went to another one since it was read. */
export const end = (pid: number, started: string): void => {
  try {
    if (started !== "" && statFields(readFileSync(`/proc/${pid}/stat`, "latin1"))[startField] !== started) return
    process.kill(pid, "SIGKILL")
  } catch {
    // It has gone by itself.
  }
}

/** Empty for a process that has gone or is another user's. */
export const readProc = (pid: string | number, file: string) =>
  readFile(`/proc/${pid}/${file}`, "latin1").catch(() => "")

/** The fields after the name, which may hold spaces and brackets: the first one is the state. */
export const statFields = (stat: string): ReadonlyArray<string> => stat.slice(stat.lastIndexOf(")") + 2).split(" ")
export const startField = 19

const fromProc = async (hostId: string): Promise<ReadonlyArray<ProcessEntry>> => {
  const mark = `${hostIdVariable}=${hostId}`
  const group = `/${groupName(hostId)}`
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name))
  const entries = await Promise.all(
    names.map(async (name): Promise<ProcessEntry | undefined> => {
      const [environ, stat, groups] = await Promise.all(
        ["environ", "stat", "cgroup"].map((file) => readProc(name, file))
      )
      const fields = statFields(stat ?? "")
      const [state, parent, , sid] = fields
      if (fields.length <= startField || state === "Z" || state === "X") return undefined
      const marked = (environ ?? "").split("\0").includes(mark) || (groups ?? "").includes(group)
      return { pid: Number(name), parent: Number(parent), sid: Number(sid), started: fields[startField] ?? "", marked }
    })
  )
  return entries.filter((entry) => entry !== undefined)
}

/** Sessions and start times are not known here, so each process counts as a session of its own. */
const fromPs = (hostId: string) =>
  new Promise<ReadonlyArray<ProcessEntry>>((resolve) => {
    execFile("ps", ["-axEww", "-o", "pid=,ppid=,command="], { maxBuffer: 64 * 1024 * 1024 }, (_, stdout) =>
      resolve(
        stdout.split("\n").flatMap((line) => {
          const [, pid, parent] = /^\s*(\d+)\s+(\d+)/.exec(line) ?? []
          if (pid === undefined) return []
          const marked = line.includes(`${hostIdVariable}=${hostId}`)
          return [{ pid: Number(pid), parent: Number(parent), sid: Number(pid), started: "", marked }]
        })
      )
    )
  })
