/**
 * The input of a chat: a line for prompts, a line for the answer to a request, and the keys that stop an answer or exit.
 *
 * ```
 *   away ── prompt ──▶ composing ── Enter ──▶ away
 *     └──── talk ────▶ answering ── Enter ──▶ away
 * ```
 *
 * Invariants
 * - Text typed or pasted before a request was shown never answers it. It goes to the draft of the next prompt, which is
 *   shown when the line for prompts returns.
 * - A line that was entered while an answer streams is the next prompt, or a draft if a request is shown first.
 * - While a request is shown, no other text is written, so no text can imitate the request.
 */
import { Deferred, Effect, Option, type Scope, Semaphore } from "effect"
import * as Draft from "./Draft.ts"
import { draw, erase, type View, viewOf } from "./draftView.ts"
import { type Input, keyboard } from "./Keyboard.ts"
import * as Output from "../output/Output.ts"
import { none, type ScreenText, screen } from "../output/ScreenText.ts"

export interface ChatInput {
  /** The next prompt, or none when the person exits. */
  readonly prompt: Effect.Effect<Option.Option<string>>
  /** Shows texts and reads the typed line after each, without other output in between. */
  readonly talk: <A, E, R>(
    conversation: (ask: (shown: ScreenText) => Effect.Effect<string>) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R>
  /** Runs an effect at each Esc while `program` runs. */
  readonly onEscape: (stop: Effect.Effect<void>) => <A, E, R>(program: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Runs an effect at each Ctrl-O until the scope closes. */
  readonly onOpen: (open: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
  /** Interrupts at Ctrl-C, and when the terminal closes. */
  readonly quit: Effect.Effect<never>
}

const promptLabel = "> "
const answerLabel = "  your answer: "

const kept = screen`  (Your text from before this question is kept for your next prompt.)\n`

const isExit = (text: string) => text.trim() === "/exit"
const leave = Option.none<string>()

/** Two rounds of the event loop, after which all input before the request has arrived. */
const drained = Effect.callback<void>((resume) => {
  setImmediate(() => setImmediate(() => resume(Effect.void)))
})

/** The editable line at the bottom of the terminal. */
interface Line {
  readonly label: string
  draft: Draft.Draft
  readonly enter: (text: string) => void
}

/** Owns the keyboard until the scope closes. */
export const make = Effect.gen(function* () {
  const quit = yield* Deferred.make<never>()
  const runFork = Effect.runForkWith(yield* Effect.context())
  const oneAtATime = yield* Semaphore.make(1)
  /** The text typed while no line is shown. */
  let ahead = Draft.empty
  const entered: Array<string> = []
  let hasLeft = false
  let line: Line | undefined
  let shown: View = { rows: [], cursorRow: 0, cursorColumn: 0, endColumn: 0 }
  let stop: (() => void) | undefined
  let open: (() => void) | undefined

  const look = ({ draft, label }: Line) =>
    viewOf(draft, label, { columns: Output.columns(), rows: process.stdout.rows || 24 })
  const isDumb = process.env["TERM"] === "dumb"
  const footerOf = (of: Line): Output.Footer => ({
    // A terminal that cannot move its cursor shows the line again, below.
    erase: () => (isDumb ? "\n" : erase(shown)),
    draw: () => {
      shown = look(of)
      return isDumb ? shown.rows.join("\n") : draw(shown)
    }
  })

  const show = (next: Line) => {
    line = next
    Output.setFooter(footerOf(next))
  }
  /** Removes the line from the screen, and leaves `left` in its place. */
  const hide = (left: ScreenText) => {
    line = undefined
    Output.setFooter(undefined, isDumb ? none : left)
  }
  const redraw = (from: Line, before: View) => {
    const after = look(from)
    const [last = "", now = ""] = [before.rows.at(-1), after.rows.at(-1)]
    const isAppended =
      before.rows.length === after.rows.length &&
      now.startsWith(last) &&
      from.draft.cursor === from.draft.text.length &&
      before.cursorRow === before.rows.length - 1 &&
      before.rows.slice(0, -1).every((row, index) => row === after.rows[index])
    if (!isAppended) return Output.redraw()
    shown = after
    return Output.redraw(now.slice(last.length))
  }

  const editLine = (of: Line, change: Draft.Edit) => {
    const wasAtEnd = of.draft.cursor === of.draft.text.length
    of.draft = Draft.edit(of.draft, change)
    if (wasAtEnd) redraw(of, shown)
    else Output.redraw()
  }

  const onInput = (input: Input): void => {
    switch (input._tag) {
      case "Interrupt":
      case "InputLost":
        return void Deferred.doneUnsafe(quit, Effect.interrupt)
      case "Open":
        return open?.()
      case "Suspend":
        return keys.suspend()
      case "Resumed":
        return line === undefined ? undefined : Output.redraw()
      case "Escape":
        ahead = Draft.empty
        entered.length = 0
        if (line !== undefined) {
          line.draft = Draft.empty
          Output.redraw()
        }
        return stop?.()
      case "EndOfInput":
        if (line === undefined) hasLeft ||= ahead.text === ""
        else if (line.label === promptLabel && line.draft.text === "") line.enter("/exit")
        return
      case "Enter":
        if (line !== undefined) return line.enter(line.draft.text)
        if (ahead.text.trim() !== "") entered.push(ahead.text)
        ahead = Draft.empty
        return
      default:
        if (line === undefined) ahead = Draft.edit(ahead, input)
        else editLine(line, input)
    }
  }
  const keys = yield* keyboard(onInput)
  yield* Effect.addFinalizer(() => Effect.sync(Output.startLine))

  const compose = Effect.callback<Option.Option<string>>((resume) => {
    const next = entered.shift()
    if (next !== undefined) {
      const isLast = isExit(next)
      return resume(Effect.as(Output.print(screen`> ${next}\n`), isLast ? leave : Option.some(next)))
    }
    if (hasLeft) return resume(Effect.succeed(leave))
    const started: Line = {
      label: promptLabel,
      draft: ahead,
      enter: (text) => {
        if (text.trim() === "") return
        hide(screen`> ${text}\n`)
        resume(Effect.succeed(isExit(text) ? leave : Option.some(text)))
      }
    }
    ahead = Draft.empty
    show(started)
    return Effect.sync(() => {
      if (line === started) hide(none)
    })
  })

  /** Shows a request, and reads the text that is typed afterwards. */
  const ask = Effect.fnUntraced(function* (asked: ScreenText) {
    yield* Output.printHeld(asked)
    yield* drained
    ahead = Draft.of([...entered, ahead.text].filter((text) => text !== "").join("\n"))
    entered.length = 0
    if (ahead.text !== "") yield* Output.printHeld(kept)
    return yield* Effect.callback<string>((resume) => {
      const started: Line = {
        label: answerLabel,
        draft: Draft.empty,
        enter: (text) => {
          hide(screen`${answerLabel}${text}\n`)
          resume(Effect.succeed(text))
        }
      }
      show(started)
      return Effect.sync(() => {
        if (line === started) hide(none)
      })
    })
  })

  const input: ChatInput = {
    prompt: Effect.andThen(Output.print(screen`\n`), compose),
    talk: (conversation) =>
      Effect.acquireUseRelease(
        Effect.sync(Output.hold),
        () => conversation(ask),
        () => Effect.sync(Output.release)
      ).pipe(oneAtATime.withPermits(1)),
    onEscape: (effect) => (program) =>
      Effect.acquireUseRelease(
        Effect.sync(() => void (stop = () => void runFork(effect))),
        () => program,
        () => Effect.sync(() => void (stop = undefined))
      ),
    onOpen: (effect) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.sync(() => void (open = () => void runFork(effect))),
          () => Effect.sync(() => void (open = undefined))
        )
      ),
    quit: Deferred.await(quit)
  }
  return input
})
