/** Random rounds: several turns in flight, a random victim, a random moment. The seed decides what is drawn. */
import { Effect, Option, Random } from "effect"
import { observe } from "./Observe.ts"
import type { Kind } from "./Prompt.ts"
import { sparesOpenCode, strike, type Victim, victims } from "./Victim.ts"
import { World } from "./World.ts"

const sessions = 3
/** Prompts of one session at once: the later ones wait for the earlier. */
const mostPrompts = 2
/** Milliseconds after the prompts were sent: from before the claim until after most answers. */
const latest = 3_000
const mostWords = 60
const kinds = ["text", "text", "tool", "permission"] as const

export interface Round {
  readonly victim: Victim
  /** Milliseconds after the prompts were sent. */
  readonly moment: number
  /** By session. */
  readonly prompts: ReadonlyArray<ReadonlyArray<{ readonly kind: Kind; readonly words: number }>>
}

const below = (end: number) => Random.nextIntBetween(0, end, { halfOpen: true })
const oneOf = <A>(choices: readonly [A, ...ReadonlyArray<A>]) =>
  Effect.map(below(choices.length), (at) => choices[at] ?? choices[0])
const several = <A>(count: number, draw: Effect.Effect<A>) => Effect.forEach(Array.from({ length: count }), () => draw)

const drawPrompt = Effect.all({ kind: oneOf(kinds), words: below(mostWords) })
const drawRound: Effect.Effect<Round> = Effect.all({
  victim: oneOf(victims),
  moment: below(latest),
  prompts: several(
    sessions,
    Effect.flatMap(below(mostPrompts), (more) => several(1 + more, drawPrompt))
  )
})

/** All rounds of a seed, drawn before the first one begins: what happens then changes none of them. */
export const drawRounds = (count: number, seed: number) => Random.withSeed(several(count, drawRound), seed)

/** One round; gives what became of each of its prompts. */
export const runRound = Effect.fn("Rounds.runRound")(function* ({ moment, prompts: planned, victim }: Round) {
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
  yield* Effect.sleep(moment)
  yield* strike(victim, Option.none())
  return yield* Effect.forEach(prompts, (prompt) => observe(prompt, sparesOpenCode(victim)), {
    concurrency: "unbounded"
  })
})
