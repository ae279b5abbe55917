/**
 * The input of a chat: a line for prompts, which stays at the bottom of the screen, a line for the answer to a request, and
 * the keys that stop an answer or exit.
 *
 * Invariants
 * - Text typed or pasted before a request was shown never answers it. It stays in the line for prompts, which is shown again
 *   after the answer.
 * - A prompt that was entered and not taken yet returns to that line if a request is shown.
 * - While a request is shown, no other text is written, so no text can imitate the request.
 */
import { Deferred, Effect, Option, type Scope, Semaphore } from "effect"
import * as Draft from "./Draft.ts"
import { addedTo, below, draw, erase, type View, viewOf } from "./draftView.ts"
import * as History from "./History.ts"
import { drained, type Input, keyboard } from "./Keyboard.ts"
import * as Output from "../output/Output.ts"
import { type ScreenText, screen } from "../output/ScreenText.ts"

export interface ChatInput {
  /** The next entered text, or none when the person exits. It is not on the screen any longer. */
  readonly entered: Effect.Effect<Option.Option<string>>
  /** Shows texts and reads the typed line after each, without other output in between. */
  readonly talk: <A, E, R>(
    dialogue: (ask: (shown: ScreenText) => Effect.Effect<string>) => Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E, R>
  /** Runs an effect at each Esc while `program` runs. */
  readonly onEscape: (stop: Effect.Effect<void>) => <A, E, R>(program: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Runs an effect at each Ctrl-O until the scope closes. */
  readonly onOpen: (open: Effect.Effect<void>) => Effect.Effect<void, never, Scope.Scope>
  /** Interrupts at Ctrl-C, and when the terminal closes. */
  readonly quit: Effect.Effect<never>
  /**
   * Shows rows above the line for prompts, each at most as wide as the terminal. Call it again when they change. `typed`: the
   * text of the line.
   */
  readonly setRows: (rows: (columns: number, typed: string) => ReadonlyArray<ScreenText>) => void
  /** Puts a text that was entered before the one that is being typed. */
  readonly giveBack: (text: string) => void
  /** Completes the typed text at Tab: the texts that may replace it. */
  readonly setCompletion: (complete: (text: string) => ReadonlyArray<string>) => void
  /** Adds texts to those that the keys Up and Down show. */
  readonly remember: (texts: ReadonlyArray<string>) => void
  /** Lets a program, such as a pager, use the terminal until it ends. */
  readonly handOver: <A, E, R>(program: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

const promptLabel = "> "
const answerLabel = "  your answer: "

const kept = screen`  (Your text from before this question is kept for your next prompt.)\n`

const noRows = () => []

/** Owns the keyboard until the scope closes. */
export const make = Effect.gen(function* () {
  const quit = yield* Deferred.make<never>()
  const runFork = Effect.runForkWith(yield* Effect.context())
  const oneAtATime = yield* Semaphore.make(1)
  const isDumb = process.env["TERM"] === "dumb"
  /** Whether prompts are read: a command that only asks questions shows no line for them. */
  let isComposing = false
  let prompt = Draft.empty
  let history = History.empty
  /** The line for an answer, while a request is shown. */
  let answer: { draft: Draft.Draft; readonly enter: (text: string) => void } | undefined
  const waiting: Array<string> = []
  let take: ((text: Option.Option<string>) => void) | undefined
  let hasLeft = false
  let rowsAbove: (columns: number, typed: string) => ReadonlyArray<ScreenText> = noRows
  let complete: (text: string) => ReadonlyArray<string> = noRows
  let shown: View = { rows: [], cursorRow: 0, cursorColumn: 0, endColumn: 0 }
  let stop: (() => void) | undefined
  let open: (() => void) | undefined

  const look = (): View => {
    const columns = Output.columns()
    const height = process.stdout.rows || 24
    if (answer !== undefined) return viewOf(answer.draft, answerLabel, { columns, rows: height })
    const above = isDumb ? [] : rowsAbove(columns, prompt.text).slice(0, Math.max(0, height - 6))
    const line = isComposing ? prompt : Draft.empty
    const view = viewOf(line, isComposing ? promptLabel : "", { columns, rows: height - above.length })
    return below(
      above.map(({ text }) => text),
      view
    )
  }
  const footer: Output.Footer = {
    // A terminal that cannot move its cursor shows the line again, below.
    erase: () => (isDumb ? "\n" : erase(shown)),
    draw: () => {
      shown = look()
      return isDumb ? shown.rows.join("\n") : draw(shown)
    }
  }
  /** A terminal that cannot move its cursor shows the line only while nothing is written. */
  const isWanted = () => {
    if (answer !== undefined) return true
    const isBusy = rowsAbove(80, prompt.text).length > 0
    return isDumb ? take !== undefined && !isBusy : isComposing || isBusy
  }
  let isShown = false
  const show = () => {
    isShown = isWanted()
    Output.setFooter(isShown ? footer : undefined)
  }

  const redraw = (isTyped = false) => {
    const before = shown
    const after = look()
    const added = isTyped ? addedTo(before, after, answer?.draft ?? prompt) : undefined
    if (added === undefined) return Output.redraw()
    shown = after
    return Output.redraw(added)
  }

  const set = (draft: Draft.Draft) => {
    const wasAtEnd = (answer?.draft ?? prompt).cursor === (answer?.draft ?? prompt).text.length
    if (answer === undefined) prompt = draft
    else answer.draft = draft
    redraw(wasAtEnd)
  }

  const give = () => {
    if (take === undefined) return
    const next = waiting.shift()
    if (next === undefined && !hasLeft) return
    const taken = take
    take = undefined
    taken(Option.fromUndefinedOr(next))
  }

  const enterPrompt = () => {
    if (prompt.text.endsWith("\\")) return set(Draft.of(`${prompt.text.slice(0, -1)}\n`))
    if (prompt.text.trim() === "") return
    waiting.push(prompt.text)
    history = History.add(history, prompt.text)
    prompt = Draft.empty
    if (isDumb) Output.setFooter(undefined)
    else show()
    return give()
  }

  const recall = (by: -1 | 1) => {
    const { cursor, text } = prompt
    const isInside = by < 0 ? text.slice(0, cursor).includes("\n") : text.slice(cursor).includes("\n")
    if (answer !== undefined || isInside) return
    const found = History.move(history, by, text)
    if (found === undefined) return
    history = found[0]
    set(Draft.of(found[1]))
  }

  const completePrompt = () => {
    const found = answer === undefined ? complete(prompt.text) : []
    const start = Draft.commonStart(found)
    if (start.length > prompt.text.length) return set(Draft.of(start))
    if (found.length === 0) set(Draft.edit(answer?.draft ?? prompt, { _tag: "Insert", text: "\t" }))
  }

  const escape = () => {
    waiting.length = 0
    history = History.add(history, prompt.text)
    prompt = Draft.empty
    if (answer !== undefined) answer.draft = Draft.empty
    Output.redraw()
    stop?.()
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
      case "Redraw":
        return Output.redraw()
      case "Escape":
        return escape()
      case "EndOfInput":
        if (answer !== undefined || prompt.text !== "") return
        hasLeft = true
        return give()
      case "Enter":
        return answer === undefined ? enterPrompt() : answer.enter(answer.draft.text)
      case "Up":
        return recall(-1)
      case "Down":
        return recall(1)
      case "Tab":
        return completePrompt()
      default:
        return set(Draft.edit(answer?.draft ?? prompt, input))
    }
  }
  const keys = yield* keyboard(onInput)
  show()
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      Output.setFooter(undefined)
      Output.startLine()
    })
  )

  const entered = Effect.callback<Option.Option<string>>((resume) => {
    take = (text) => resume(Effect.succeed(text))
    isComposing = true
    if (waiting.length === 0) show()
    give()
    return Effect.sync(() => void (take = undefined))
  })

  /** Shows a request, and reads the text that is typed afterwards. */
  const ask = Effect.fnUntraced(function* (asked: ScreenText) {
    yield* Output.printHeld(asked)
    yield* drained
    const early = [...waiting.splice(0), prompt.text].filter((text) => text !== "").join("\n")
    prompt = Draft.of(early)
    if (early !== "") yield* Output.printHeld(kept)
    return yield* Effect.callback<string>((resume) => {
      const line = {
        draft: Draft.empty,
        enter: (text: string) => {
          answer = undefined
          Output.setFooter(undefined, isDumb ? screen`\n` : screen`${answerLabel}${text}\n`)
          resume(Effect.succeed(text))
        }
      }
      answer = line
      show()
      return Effect.sync(() => {
        if (answer === line) answer = undefined
      })
    })
  })

  const input: ChatInput = {
    entered,
    talk: (dialogue) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          Output.hold()
          Output.setFooter(undefined)
        }),
        () => dialogue(ask),
        () =>
          Effect.sync(() => {
            answer = undefined
            show()
            Output.release()
          })
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
    quit: Deferred.await(quit),
    setRows: (rows) => {
      rowsAbove = rows
      if (answer !== undefined) return
      if (isDumb) return isWanted() === isShown ? undefined : show()
      const next = look()
      const isSame = next.rows.length === shown.rows.length && next.rows.every((row, at) => row === shown.rows[at])
      if (!isSame) show()
    },
    giveBack: (text) => {
      prompt = Draft.of([text, prompt.text].filter((each) => each !== "").join("\n"))
      if (answer === undefined) show()
    },
    setCompletion: (next) => void (complete = next),
    remember: (texts) => void (history = texts.reduce(History.add, history)),
    handOver: (program) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          Output.setFooter(undefined)
          keys.release()
        }),
        () => program,
        () =>
          Effect.sync(() => {
            keys.takeBack()
            show()
          })
      )
  }
  return input
})
