/**
 * Random rounds: several turns in flight, and one or two strikes at random victims and moments, so that recovery is struck
 * too. The seed determines the rounds.
 */
import { Effect, Option, Random } from "effect"
import { observe } from "./Observe.ts"
import type { Kind } from "./Prompt.ts"
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
  readonly prompts: ReadonlyArray<ReadonlyArray<{ readonly kind: Kind; readonly words: number }>>
}

const below = (end: number) => Random.nextIntBetween(0, end, { halfOpen: true })
const oneOf = <A>(choices: readonly [A, ...ReadonlyArray<A>]) =>
  Effect.map(below(choices.length), (at) => choices[at] ?? choices[0])
const several = <A>(count: number, draw: Effect.Effect<A>) => Effect.forEach(Array.from({ length: count }), () => draw)

const drawPrompt = Effect.all({ kind: oneOf(kinds), words: below(mostWords) })
const drawBlow: Effect.Effect<Blow> = Effect.all({ victim: oneOf(victims), after: below(latest) })
const upTo = <A>(most: number, draw: Effect.Effect<A>) => Effect.flatMap(below(most), (more) => several(1 + more, draw))
const drawRound: Effect.Effect<Round> = Effect.all({
  blows: upTo(mostBlows, drawBlow),
  prompts: several(sessions, upTo(mostPrompts, drawPrompt))
})

/** All rounds of a seed. They are drawn before the first one begins, so that no result changes them. */
export const drawRounds = (count: number, seed: number) => Random.withSeed(several(count, drawRound), seed)

export const describe = ({ blows }: Round) => blows.map(({ after, victim }) => `${victim} after ${after} ms`).join(", ")

/** Runs one round and returns the outcomes of its prompts. */
export const runRound = Effect.fn("Rounds.runRound")(function* ({ blows, prompts: planned }: Round) {
  const world = yield* World
  const sent = yield* Effect.forEach(
    planned,
    Effect.fnUntraced(function* (ofSession) {
      const sessionId = yield* world.createSession
      return yield* Effect.forEach(ofSession, ({ kind, words }) => world.send(sessionId, kind, { words }))
    })
  )
  const prompts = sent.flat()
  yield* Effect.forEach(prompts, world.letGo)
  for (const { after, victim } of blows) {
    yield* Effect.sleep(after)
    yield* strike(victim, Option.none())
  }
  const spared = blows.every(({ victim }) => sparesOpenCode(victim))
  return yield* Effect.forEach(prompts, (prompt) => observe(prompt, spared), { concurrency: "unbounded" })
})
