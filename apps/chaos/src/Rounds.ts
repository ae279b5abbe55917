/**
 * Random rounds: several turns in flight, and one or two strikes at random victims and moments, so that recovery is struck
 * too. The seed determines the rounds.
 */
import { Effect, Fiber, Option, Random } from "effect"
import { observe } from "./Observe.ts"
import type { Kind } from "./Prompt.ts"
import { prepareUndo } from "./Undo.ts"
import { sparesOpenCode, strike, type Victim, victims } from "./Victim.ts"
import { World } from "./World.ts"

const sessions = 3
/** Prompts of one session in one round. Later prompts wait for earlier ones. */
const mostPrompts = 2
/** Milliseconds. Covers the time from before the claim to after most answers, or most of a recovery. */
const latest = 3_000
const mostBlows = 2
const mostWords = 60
const kinds = ["text", "text", "tool", "permission", "compaction", "retry"] as const

/** A victim, and the milliseconds after the prompts were sent or after the previous strike was repaired. */
interface Blow {
  readonly victim: Victim
  readonly after: number
}

export interface Round {
  readonly blows: ReadonlyArray<Blow>
  /** By session. */
  readonly prompts: ReadonlyArray<
    ReadonlyArray<{ readonly kind: Kind; readonly words: number; readonly hasFile: boolean }>
  >
  /** Milliseconds after which a prompt steers the first session. */
  readonly steerAfter: number
  /** Milliseconds after which a turn of another session is undone. */
  readonly undoAfter: number
}

const isCompaction = ({ kind }: { readonly kind: Kind }) => kind === "compaction"

const below = (end: number) => Random.nextIntBetween(0, end, { halfOpen: true })
const oneOf = <A>(choices: readonly [A, ...ReadonlyArray<A>]) =>
  Effect.map(below(choices.length), (at) => choices[at] ?? choices[0])
const several = <A>(count: number, draw: Effect.Effect<A>) => Effect.forEach(Array.from({ length: count }), () => draw)

const drawPrompt = Effect.all({
  kind: oneOf(kinds),
  words: below(mostWords),
  hasFile: Effect.map(below(3), (at) => at === 0)
})
const drawBlow: Effect.Effect<Blow> = Effect.all({ victim: oneOf(victims), after: below(latest) })
const upTo = <A>(most: number, draw: Effect.Effect<A>) => Effect.flatMap(below(most), (more) => several(1 + more, draw))
const drawRound: Effect.Effect<Round> = Effect.all({
  blows: upTo(mostBlows, drawBlow),
  prompts: several(sessions, upTo(mostPrompts, drawPrompt)),
  steerAfter: below(latest),
  undoAfter: below(latest)
})

/** All rounds of a seed. They are drawn before the first one begins, so that no result changes them. */
export const drawRounds = (count: number, seed: number) => Random.withSeed(several(count, drawRound), seed)

export const describe = ({ blows }: Round) => blows.map(({ after, victim }) => `${victim} after ${after} ms`).join(", ")

/** Runs one round and returns the outcomes of its prompts, and of its undo. */
export const runRound = Effect.fn("Rounds.runRound")(function* (round: Round) {
  const { blows, prompts: planned, steerAfter, undoAfter } = round
  const world = yield* World
  const undo = yield* prepareUndo
  const sent = yield* Effect.forEach(
    planned,
    Effect.fnUntraced(function* (ofSession) {
      const sessionId = yield* world.createSession
      return yield* Effect.forEach(ofSession, ({ hasFile, kind, words }) =>
        // A compaction replaces files by their names.
        world.send(sessionId, kind, { hasFile: hasFile && !ofSession.some(isCompaction), length: { words } })
      )
    })
  )
  yield* Effect.forEach(sent.flat(), world.letGo)
  const steering = yield* Effect.forkChild(
    Effect.delay(
      Effect.gen(function* () {
        const [first] = sent[0] ?? []
        // OpenCode asks for a summary of the prompt that steers, and not of the one that fills the context.
        if (first === undefined || planned[0]?.some(isCompaction) === true) return []
        const prompt = yield* world.send(first.sessionId, "text", { delivery: "steer", length: { words: 10 } })
        for (const each of sent[0] ?? []) each.steer.answer = prompt.answer
        yield* world.letGo(prompt)
        return [prompt]
      }),
      steerAfter
    )
  )
  const undoing = yield* Effect.forkChild(Effect.delay(undo.start, undoAfter))
  for (const { after, victim } of blows) {
    yield* Effect.sleep(after)
    yield* strike(victim, Option.none())
  }
  const spared = blows.every(({ victim }) => sparesOpenCode(victim))
  const prompts = [...sent.flat(), ...(yield* Fiber.join(steering))]
  const outcomes = yield* Effect.forEach(prompts, (prompt) => observe(prompt, spared), { concurrency: "unbounded" })
  const undone = yield* undo.check(yield* Fiber.join(undoing))
  yield* Effect.forEach(new Set(prompts.map(({ sessionId }) => sessionId)), world.expectNotification, { discard: true })
  return { outcomes: [undo.outcome, ...outcomes], undone }
})
