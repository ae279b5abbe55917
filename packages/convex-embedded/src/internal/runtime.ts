/**
 * What a Convex function finds in its global scope. The `convex` package calls `globalThis.Convex`, so there can be
 * only one per process: it looks up the running function in its asynchronous context and passes the call on to it.
 * That way several deployments, and several copies of this module, live side by side.
 */
import { AsyncLocalStorage } from "node:async_hooks"

export interface Frame {
  readonly kind: "query" | "mutation" | "action"
  readonly syscall: (operation: string, argument: string) => string
  readonly asyncSyscall: (operation: string, argument: string) => Promise<string>
  readonly jsSyscall: (operation: string, argument: Record<string, unknown>) => unknown
}

type Syscalls = Pick<Frame, "syscall" | "asyncSyscall" | "jsSyscall">

const KEY = Symbol.for("@opencode-worker/convex-embedded/frames")
const globals = globalThis as typeof globalThis & { Convex?: Syscalls; [KEY]?: AsyncLocalStorage<Frame> }

const frames = (globals[KEY] ??= install(new AsyncLocalStorage<Frame>()))

/** Runs a function of a deployment; what it awaits belongs to the frame too. */
export const inFrame = <A>(frame: Frame, run: () => A): A => frames.run(frame, run)

/** Leaves the frame: for work of the deployment itself that a syscall starts. */
export const outsideFrame = <A>(run: () => A): A => frames.exit(run)

function install(storage: AsyncLocalStorage<Frame>): AsyncLocalStorage<Frame> {
  let other = globals.Convex
  const current = (operation: string): Syscalls => {
    const frame = storage.getStore() ?? other
    if (frame === undefined)
      throw new Error(`A Convex function is needed around ${operation}: ctx was used outside of one.`)
    return frame
  }
  const dispatch: Syscalls = {
    asyncSyscall: async (operation, argument) => current(operation).asyncSyscall(operation, argument),
    jsSyscall: (operation, argument) => current(operation).jsSyscall(operation, argument),
    syscall: (operation, argument) => current(operation).syscall(operation, argument)
  }
  // Others, such as convex-test, set the global too: theirs is used outside of our functions.
  Object.defineProperty(globals, "Convex", {
    configurable: true,
    get: () => dispatch,
    set: (value: Syscalls) => {
      other = value
    }
  })
  refuse(storage, "fetch", "fetch()")
  refuse(storage, "setTimeout", "setTimeout")
  refuse(storage, "setInterval", "setInterval")
  return storage
}

/** Queries and mutations run again and again, so they must not reach outside; elsewhere the global works as before. */
function refuse(storage: AsyncLocalStorage<Frame>, name: "fetch" | "setTimeout" | "setInterval", shown: string): void {
  const original = globalThis[name]
  const guarded = new Proxy(original, {
    apply: (target, self, argumentList) => {
      const frame = storage.getStore()
      if (frame !== undefined && frame.kind !== "action") {
        throw new Error(
          `Can't use ${shown} in queries and mutations. Please consider using an action. ` +
            "See https://docs.convex.dev/functions/actions for more details."
        )
      }
      return Reflect.apply(target, self, argumentList) as unknown
    }
  })
  Object.defineProperty(globalThis, name, { configurable: true, value: guarded, writable: true })
}
