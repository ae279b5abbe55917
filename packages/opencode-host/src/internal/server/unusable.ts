/** Why a program cannot run, from the errno of its spawn or the signal that ended it at once. Pure. */
import * as Predicate from "effect/Predicate"

const loader = "it was built for another libc (glibc or musl), or its interpreter is missing"

/** Errors of the binary itself: another start ends in the same way. */
const errnos: Readonly<Record<string, string>> = {
  ENOENT: `a program that it needs to start does not exist: ${loader}`,
  EACCES: "it may not be executed: its file system is mounted noexec, or a folder above it is closed to this user",
  EPERM: "the system refuses to execute it",
  ENOEXEC: "it is not a program for this machine",
  ELIBBAD: loader,
  ETXTBSY: "another process is writing it"
}

/** Limits of the machine or the user, which may change. */
const limits: Readonly<Record<string, string>> = {
  EMFILE: "this process has too many open files: raise its limit (ulimit -n), which OpenCode needs too",
  ENFILE: "the machine has too many open files",
  EAGAIN: "this user has too many processes: raise the limit (ulimit -u, or pids.max of the container)",
  ENOMEM: "there is too little memory"
}

/** An error with its reason and causes, outermost first. */
const chain = (error: unknown): ReadonlyArray<object> => {
  const found: Array<object> = []
  for (let at = error; Predicate.isObject(at) && found.length < 5;) {
    found.push(at)
    at = Predicate.hasProperty(at, "reason") ? at.reason : Predicate.hasProperty(at, "cause") ? at.cause : undefined
  }
  return found
}

const errnoOf = (error: unknown): string | undefined => {
  for (const link of chain(error)) {
    if (Predicate.hasProperty(link, "code") && Predicate.isString(link.code)) return link.code
  }
  return undefined
}

/** The name of the signal in the error of an exit code. */
const signalOf = (error: unknown): string => {
  for (const link of chain(error)) {
    const message = Predicate.hasProperty(link, "message") ? link.message : undefined
    const name = Predicate.isString(message) ? /SIG[A-Z0-9]+/.exec(message)?.[0] : undefined
    if (name !== undefined) return name
  }
  return "a signal"
}

export interface Unusable {
  /** A sentence without its subject, the program. */
  readonly problem: string
  /** Another start with the same binary cannot succeed. */
  readonly final: boolean
}

export const spawnProblem = (error: unknown): Unusable => {
  const errno = errnoOf(error)
  if (errno === undefined) return { problem: "it cannot be run", final: false }
  const known = errnos[errno] ?? limits[errno]
  return { problem: `${known ?? "it cannot be run"} (${errno})`, final: errno in errnos }
}

/** An end of a server before it listened. */
export const signalProblem = (error: unknown): Unusable => {
  const signal = signalOf(error)
  return signal === "SIGILL"
    ? {
        problem: "this processor lacks instructions that it uses (SIGILL): a baseline build of OpenCode does without",
        final: true
      }
    : { problem: `it was killed by ${signal}`, final: false }
}
