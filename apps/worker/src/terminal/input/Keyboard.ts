/**
 * The only reader of the keyboard during a chat. The terminal is in raw mode for the whole chat, so no key is lost between
 * two readers, and keys arrive in the order in which they were typed.
 *
 * A bracketed paste is one input, with its line breaks and tabs.
 */
import { createInterface, emitKeypressEvents, type Key } from "node:readline"
import { PassThrough } from "node:stream"
import { Effect } from "effect"
import type { Edit } from "./Draft.ts"
import { setMode } from "../output/Output.ts"
import { makeReportFilter } from "./terminalReports.ts"

export type Input =
  | Edit
  | { readonly _tag: "Enter" | "Escape" | "Interrupt" | "EndOfInput" | "Open" | "Suspend" | "Resumed" | "InputLost" }
  | { readonly _tag: "Up" | "Down" | "Tab" | "Redraw" }

/** Milliseconds to wait for the rest of an escape sequence. Without it, Esc is a key. */
const escapeCodeTimeout = 50

const byName: Readonly<Record<string, Input["_tag"]>> = {
  return: "Enter",
  enter: "Enter",
  escape: "Escape",
  backspace: "DeleteBefore",
  delete: "DeleteAfter",
  left: "Left",
  right: "Right",
  up: "Up",
  down: "Down",
  tab: "Tab",
  home: "Home",
  end: "End"
}

const byCtrl: Readonly<Record<string, Input["_tag"]>> = {
  c: "Interrupt",
  d: "EndOfInput",
  o: "Open",
  z: "Suspend",
  h: "DeleteBefore",
  w: "DeleteWord",
  u: "DeleteLine",
  k: "DeleteRest",
  a: "Home",
  e: "End",
  b: "Left",
  f: "Right",
  p: "Up",
  n: "Down",
  l: "Redraw"
}

const insert = (text: string): Input => ({ _tag: "Insert", text })

/** Ignores keys that are neither text nor known. */
const inputOf = (text: string | undefined, { ctrl, meta, name }: Key): Input | undefined => {
  if (meta && (name === "return" || name === "enter")) return insert("\n")
  const tag = ctrl ? byCtrl[name ?? ""] : byName[name ?? ""]
  if (tag !== undefined && tag !== "Insert") return { _tag: tag }
  // oxlint-disable-next-line no-control-regex -- text has no control characters
  return text === undefined || ctrl || meta || /[\u0000-\u001f\u007f]/.test(text) ? undefined : insert(text)
}

/** Maps keys to inputs. The only state is the current paste. */
export const makeDecoder = (emit: (input: Input) => void) => {
  let paste: string | undefined
  const filterReports = makeReportFilter()
  return (text: string | undefined, key: Key): void => {
    // A paste that passed through two programs may have two start sequences.
    if (key.name === "paste-start") return void (paste ??= "")
    if (key.ctrl && key.name === "c") {
      // Also if the end of a paste never arrived.
      paste = undefined
      return emit({ _tag: "Interrupt" })
    }
    if (key.name === "paste-end") {
      const pasted = paste?.replaceAll(/\r\n?/g, "\n") ?? ""
      paste = undefined
      return pasted === "" ? undefined : emit(insert(pasted))
    }
    const sequence = key.sequence ?? text ?? ""
    if (paste !== undefined) return void (paste += sequence)
    const typed = filterReports(sequence)
    if (typed === undefined) return
    if (typed !== "") emit(insert(typed))
    const input = inputOf(text, key)
    if (input !== undefined) emit(input)
  }
}

/** Reads the keyboard until the scope closes. */
export const keyboard = (onInput: (input: Input) => void) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { stdin } = process
      const isDumb = process.env["TERM"] === "dumb"
      const settings = createInterface({ input: new PassThrough(), escapeCodeTimeout })
      const onKey = makeDecoder(onInput)
      const onLost = () => onInput({ _tag: "InputLost" })
      const enter = () => {
        stdin.setRawMode(false).setRawMode(true)
        if (!isDumb) setMode("\u001b[?2004h")
        onInput({ _tag: "Resumed" })
      }
      const leave = () => {
        if (!isDumb) setMode("\u001b[?2004l")
        stdin.setRawMode(false)
      }
      emitKeypressEvents(stdin, settings)
      stdin.on("keypress", onKey).on("end", onLost).on("error", onLost)
      process.on("SIGCONT", enter)
      enter()
      stdin.resume()
      const close = () => {
        process.off("SIGCONT", enter)
        stdin.off("keypress", onKey).off("end", onLost).pause()
        leave()
        settings.close()
      }
      /** Lets another program use the terminal until `takeBack`. */
      const release = () => {
        stdin.pause()
        leave()
      }
      const takeBack = () => {
        enter()
        stdin.resume()
      }
      /** Suspends all processes of the job, like Ctrl-Z outside raw mode. */
      const suspend = () => {
        leave()
        process.kill(0, "SIGTSTP")
      }
      return { close, release, suspend, takeBack }
    }),
    ({ close }) => Effect.sync(close)
  )

/** Two rounds of the event loop, after which all input before the request has arrived. */
export const drained = Effect.callback<void>((resume) => {
  setImmediate(() => setImmediate(() => resume(Effect.void)))
})
