/**
 * Which processes belong to a host. Pure.
 *
 * A process belongs to it when it carries the host's mark, was known to belong before, descends from one that belongs,
 * or lives in a session of one that belongs. Tools run in sessions of their own and may drop their environment, so none
 * of these is enough alone.
 */

/** One living process. Zombies are left out: they wait for their parent only. */
export interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  readonly sid: number
  /** Distinguishes a process from a later one with the same pid. Empty where it is unknown. */
  readonly started: string
  /** It has the host's mark in its environment, or is in the host's control group. */
  readonly marked: boolean
}

export interface Belonging {
  /** `started` by pid. */
  readonly processes: ReadonlyMap<number, string>
  /** Sessions in which one of these processes lives. */
  readonly sessions: ReadonlySet<number>
}

export const nothing: Belonging = { processes: new Map(), sessions: new Set() }

/**
 * The processes of the host now. `known` is the result of the last look: it keeps a process that has lost its mark
 * and its parent since, and a session whose leader has ended.
 *
 * A session whose leader lives and does not belong to the host is not the host's: a marked process was started by hand
 * in a terminal, say. So a pid or a session id that went to another process is never taken for the host's.
 */
export const belonging = (table: ReadonlyArray<ProcessEntry>, known: Belonging): Belonging => {
  const living = new Set(table.map(({ pid }) => pid))
  const own = new Map<number, string>()
  const sessions = new Set<number>()
  const isKnown = ({ pid, started }: ProcessEntry) => started !== "" && known.processes.get(pid) === started
  const belongs = (entry: ProcessEntry) =>
    entry.marked ||
    isKnown(entry) ||
    own.has(entry.parent) ||
    sessions.has(entry.sid) ||
    (known.sessions.has(entry.sid) && !living.has(entry.sid))
  for (let before = -1; own.size > before;) {
    before = own.size
    for (const entry of table) {
      if (!own.has(entry.pid) && !belongs(entry)) continue
      own.set(entry.pid, entry.started)
      // Session 0 stands for every session outside of the container.
      if (entry.sid > 0 && (own.has(entry.sid) || !living.has(entry.sid))) sessions.add(entry.sid)
    }
  }
  return { processes: own, sessions }
}
