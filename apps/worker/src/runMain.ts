/**
 * Runs the program of a command: signals, exit code, and the last output.
 *
 * SIGINT, SIGTERM and SIGHUP interrupt the program, so that its scopes are closed. A service handles the first ones itself
 * (`atSignals`) and finishes its work. A service with a configuration file reads it again at SIGHUP (`atReload`).
 */
import { Effect, Runtime, type Scope } from "effect"

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const

/** Returns whether it has handled a signal. */
let handle: (() => boolean) | undefined

let reload: (() => void) | undefined

/** Runs `request` at each SIGHUP, in place of an interruption, until the scope closes. */
export const atReload = (request: Effect.Effect<unknown>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        reload = () => void Effect.runFork(request)
      }),
      () =>
        Effect.sync(() => {
          reload = undefined
        })
    )
  )

/** Runs `request` at each of the first `count` signals, in place of an interruption, until the scope closes. */
export const atSignals = (count: number, request: Effect.Effect<unknown>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => {
        let left = count
        handle = () => {
          if (left === 0) return false
          left -= 1
          Effect.runFork(request)
          return true
        }
      }),
      () =>
        Effect.sync(() => {
          handle = undefined
        })
    )
  )

/** Longest wait for output whose reader does not read, in milliseconds. */
const outputLimit = 2_000

/**
 * Exits when all output is written. Without `exit`, Node.js 26 sometimes never ends: it waits, at full load, for a handle that
 * is already gone (https://github.com/nodejs/node/issues/47748).
 */
const exitAfterOutput = (code: number) => {
  const exit = process.exit.bind(process, code)
  setTimeout(exit, outputLimit)
  process.stdout.write("", () => process.stderr.write("", exit))
}

const run = Runtime.makeRunMain(({ fiber, teardown }) => {
  const onSignal = (signal: NodeJS.Signals) => {
    if (signal === "SIGHUP" && reload !== undefined) return reload()
    if (handle?.() !== true) fiber.interruptUnsafe(fiber.id)
  }
  for (const signal of signals) process.on(signal, onSignal)
  fiber.addObserver((exit) => {
    for (const signal of signals) process.off(signal, onSignal)
    teardown(exit, exitAfterOutput)
  })
})

/** The program reports its own errors. */
export const runMain = <A, E>(program: Effect.Effect<A, E>): void => run(program, { disableErrorReporting: true })
