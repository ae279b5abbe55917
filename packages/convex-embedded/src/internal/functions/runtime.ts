/**
 * The global scope of Convex functions. Only function threads load this module, so the globals of the program are not
 * changed. The running function is found by its asynchronous context.
 */
import { AsyncLocalStorage } from "node:async_hooks"
import { inspect } from "node:util"
import { limits } from "../values/limits.ts"

export interface Frame {
  readonly kind: "query" | "mutation" | "action"
  readonly syscall: (operation: string, argument: string) => string
  readonly asyncSyscall: (operation: string, argument: string) => Promise<string>
  readonly jsSyscall: (operation: string, argument: Record<string, unknown>) => unknown
  readonly console: Console
  /** `null` for actions, which use the real time and randomness. */
  readonly determinism: Determinism | null
}

/** The console output of a function, formatted as clients show it. */
export class Console {
  readonly logLines: Array<string> = []

  write(level: string, values: ReadonlyArray<unknown>): void {
    if (this.logLines.length >= limits.logLines) return
    const line = `[${level}] ${values.map((value) => (typeof value === "string" ? `'${value}'` : inspect(value))).join(" ")}`
    this.logLines.push(
      line.length > limits.logLineCharacters ? `${line.slice(0, limits.logLineCharacters)} (truncated)` : line
    )
  }
}

/** Fixed time and seeded randomness for one query or mutation. */
export class Determinism {
  readonly now = Date.now()
  #seed = Math.floor(random() * 2 ** 32)

  /** mulberry32 */
  readonly random = (): number => {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const random = Math.random
const frames = new AsyncLocalStorage<Frame>()

/** Runs a function, including its asynchronous continuations, in a frame. */
export const inFrame = <A>(frame: Frame, run: () => A): A => frames.run(frame, run)

/** Runs work of the deployment that a system call starts outside of the frame. */
export const outsideFrame = <A>(run: () => A): A => frames.exit(run)

const current = (operation: string): Frame => {
  const frame = frames.getStore()
  if (frame !== undefined) return frame
  throw new Error(`A Convex function is needed around ${operation}: ctx was used outside of one.`)
}

/** The start time of the running query or mutation. */
const frozenNow = (): number | undefined => frames.getStore()?.determinism?.now

/** Installs the global scope for actions, or for queries and mutations (`engine`). */
export const install = (kind: "engine" | "actions"): void => {
  const syscalls: Pick<Frame, "syscall" | "asyncSyscall" | "jsSyscall"> = {
    asyncSyscall: async (operation, argument) => current(operation).asyncSyscall(operation, argument),
    jsSyscall: (operation, argument) => current(operation).jsSyscall(operation, argument),
    syscall: (operation, argument) => current(operation).syscall(operation, argument)
  }
  Object.assign(globalThis, { Convex: syscalls })
  refuse("fetch", "fetch()")
  refuse("setTimeout", "setTimeout")
  refuse("setInterval", "setInterval")
  refuse("setImmediate", "setImmediate")
  if (kind === "engine") for (const name of ["WebSocket", "EventSource", "XMLHttpRequest"]) withhold(name)
  captureConsole()
  freezeTime()
  Math.random = () => (frames.getStore()?.determinism?.random ?? random)()
}

/** Sets the variables of Convex for the functions of this thread. `process.env` itself belongs to the program. */
export const setUrls = (origin: string): void => {
  const own: NodeJS.ProcessEnv = { CONVEX_CLOUD_URL: origin, CONVEX_SITE_URL: origin }
  process.env = new Proxy(process.env, {
    get: (env, name: string) => own[name] ?? env[name],
    getOwnPropertyDescriptor: (env, name) => Object.getOwnPropertyDescriptor(name in own ? own : env, name),
    has: (env, name) => name in own || name in env,
    ownKeys: (env) => [...new Set([...Reflect.ownKeys(env), ...Reflect.ownKeys(own)])]
  })
}

/** Queries and mutations may run repeatedly, so they must have no side effects. */
const refuse = (name: "fetch" | "setTimeout" | "setInterval" | "setImmediate", shown: string): void => {
  const guarded = new Proxy(globalThis[name], {
    apply: (target, self, argumentList) => {
      const frame = frames.getStore()
      if (frame !== undefined && frame.kind !== "action") throw refusal(shown)
      return Reflect.apply(target, self, argumentList) as unknown
    }
  })
  replace(name, guarded)
}

/** Replaces a class without reading it: the first access to Node's lazy globals takes 30 ms. */
const withhold = (name: string): void => {
  if (!(name in globalThis)) return
  replace(name, function () {
    throw refusal(name)
  })
}

const replace = (name: string, value: unknown): void =>
  void Object.defineProperty(globalThis, name, { configurable: true, value, writable: true })

const refusal = (shown: string): Error =>
  new Error(
    `Can't use ${shown} in queries and mutations. Please consider using an action. ` +
      "See https://docs.convex.dev/functions/actions for more details."
  )

const LEVELS = { debug: "DEBUG", error: "ERROR", info: "INFO", log: "LOG", warn: "WARN" } as const

const captureConsole = (): void => {
  for (const [method, level] of Object.entries(LEVELS) as Array<[keyof typeof LEVELS, string]>) {
    const original = console[method].bind(console)
    console[method] = (...values: Array<unknown>) => {
      frames.getStore()?.console.write(level, values)
      original(...values)
    }
  }
}

const freezeTime = (): void => {
  const { now: realNow } = Date
  globalThis.Date = new Proxy(Date, {
    apply: (target) => {
      const frozen = frozenNow()
      return frozen === undefined ? target() : new target(frozen).toString()
    },
    construct: (target, argumentList: Array<never>, created) => {
      const frozen = argumentList.length === 0 ? frozenNow() : undefined
      return Reflect.construct(target, frozen === undefined ? argumentList : [frozen], created) as object
    }
  })
  Date.now = () => frozenNow() ?? realNow()
  Object.assign(Date.prototype, { constructor: Date })
  // The original clock is not changed: the deployment uses it through `node:perf_hooks`.
  const clock = performance
  const now = () => {
    const frozen = frozenNow()
    return frozen === undefined ? clock.now() : frozen - clock.timeOrigin
  }
  const get = (_: object, name: string | symbol) => {
    if (name === "now") return now
    const value: unknown = Reflect.get(clock, name)
    return typeof value === "function" ? (value.bind(clock) as unknown) : value
  }
  replace("performance", new Proxy(clock, { get }))
}
