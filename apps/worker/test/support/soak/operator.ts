/** An operator who sends prompts of all kinds in one session, while the worker and the deployment are restarted. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { assert } from "@effect/vitest"
import { type Client, isClientError, type SessionId, type TurnId, TurnView } from "@opencode-worker/client"
import { contentOf, goFile, type Kind, lastWordsOf, textOf } from "./prompts.ts"
import { pause } from "./world.ts"

/** Restarts of the worker. */
export interface Restarts {
  begun: number
  ended: number
}

export interface Surroundings {
  /** Where commands of the agent run. */
  readonly directory: string
  readonly image: Uint8Array<ArrayBuffer>
  readonly nextId: () => string
  readonly restarts: Restarts
  /** How many turns ended with each outcome. */
  readonly outcomes: Map<string, number>
  /** Turns that run now. */
  readonly running: Set<TurnId>
  /** Broken promises: the soak continues to its end. */
  readonly problems: Array<string>
  readonly over: AbortSignal
}

export interface Sent {
  readonly turnId: TurnId
  readonly id: string
  readonly kind: Kind
}

/** Calls again while the deployment is away. */
const persistent = async <A>(call: () => Promise<A>): Promise<A> => {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      const isAway = isClientError(error) && ["Unreachable", "Timeout"].includes(error.reason._tag)
      if (!isAway) throw error
      await sleep(500)
    }
  }
}

/** The outcomes that a turn may have. A restart interrupts it, or aborts it at the end of the drain. */
const outcomesOf = (kind: Kind, isStruck: boolean): ReadonlyArray<TurnView.TurnStatus> => {
  const whole = kind === "stop" ? "aborted" : "completed"
  return isStruck ? [whole, "interrupted", "aborted"] : [whole]
}

export const makeOperator = (client: Client, sessionId: SessionId, given: Surroundings) => {
  const { directory, image, nextId, outcomes, over, problems, restarts, running } = given
  const sent: Array<Sent> = []

  /** Whether a restart may have struck what began with `before`. */
  const isStruckSince = (before: Restarts) => before.begun !== before.ended || restarts.begun !== before.begun

  /** Follows a turn to its end; answers its request, or stops it. */
  const follow = async ({ id, kind, turnId }: Sent, before: Restarts) => {
    /** Once. */
    let reaction: Promise<unknown> | undefined
    const turn = client.turns.follow(turnId)
    for await (const { blocks, status } of turn) {
      if (status === "running") running.add(turnId)
      const [request] = blocks.flatMap((block) => (block.kind === "request" ? [block.request] : []))
      if (request !== undefined) reaction ??= persistent(() => client.requests.answer(request, { type: "once" }))
      const isToStop = kind === "stop" && blocks.some((block) => block.kind === "text")
      if (isToStop) reaction ??= persistent(() => client.turns.abort(turnId))
      // The end of the turn is the result of a reaction, unless it fails without a restart.
      reaction?.catch(() => undefined)
    }
    const view = await turn.result
    running.delete(turnId)
    const { error, outcome } = view.end
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    const isStruck = isStruckSince(before)
    const why = `${textOf(kind, id)}: ${error?.message}, ${JSON.stringify({ before, restarts })}`
    assert.include(outcomesOf(kind, isStruck), outcome, why)
    // A turn that was steered ends with what it had.
    if (outcome === "completed" && kind !== "slow") assert.include(TurnView.answer(view), lastWordsOf(id), why)
    if (!isStruck) await reaction
  }

  const filesOf = async (kind: Kind, id: string) => {
    if (kind === "image") return [await client.files.upload(image, { name: `${id}.png`, type: "image/png" })]
    if (kind !== "file") return []
    const content = new TextEncoder().encode(contentOf(id))
    return [await client.files.upload(content, { name: `${id}.txt`, type: "text/plain" })]
  }

  const send = async (kind: Kind, delivery: "queue" | "steer" = "queue") => {
    const id = nextId()
    const before = { ...restarts }
    const files = await persistent(() => filesOf(kind, id))
    const options = { idempotencyKey: id, delivery, files }
    const turnId = await persistent(() => client.turns.send(sessionId, textOf(kind, id), options))
    const prompt = { turnId, id, kind }
    sent.push(prompt)
    const end = follow(prompt, before)
    // The caller may await another turn first.
    end.catch(() => undefined)
    return { ...prompt, end }
  }

  const one = (kind: Kind) => async () => (await send(kind)).end
  const queued = async () => {
    const turns = [await send("long"), await send("plain"), await send("plain")]
    await Promise.all(turns.map(({ end }) => end))
  }
  const steered = async () => {
    const first = await send("slow")
    for await (const { blocks } of client.turns.follow(first.turnId)) if (blocks.length > 0) break
    const second = await send("plain", "steer")
    await writeFile(join(directory, goFile(first.id)), "")
    await Promise.all([first.end, second.end])
  }
  const renamed = async () => {
    const title = `Renamed by ${nextId()}`
    const before = { ...restarts }
    const commandId = await persistent(() => client.sessions.rename(sessionId, title, { idempotencyKey: title }))
    const command = await client.commands.wait(commandId)
    if (isStruckSince(before)) return
    if (command?.status === "failed") {
      // On a machine that is too busy to start it within 30 s.
      assert.include(command.error, "OpenCode did not start", title)
      return
    }
    assert.strictEqual((await persistent(() => client.sessions.get(sessionId)))?.title, title)
  }
  const rounds = [
    one("plain"),
    one("long"),
    one("permission"),
    one("plain"),
    one("stop"),
    one("large"),
    one("image"),
    queued,
    one("file"),
    steered,
    renamed
  ]

  return {
    sessionId,
    sent: (): ReadonlyArray<Sent> => sent,
    /** Sends prompts until it is over; begins with this round. */
    run: async (first: number) => {
      for (let round = first; !over.aborted; round++) {
        await rounds[round % rounds.length]?.().catch((error: unknown) => problems.push(String(error)))
        await pause(over)
      }
    },
    /** Each turn is in the session once, and has ended. */
    check: async () => {
      const found: Array<TurnId> = []
      for await (const { status, turnId } of client.turns.list(sessionId)) {
        found.push(turnId)
        assert.isTrue(TurnView.isFinal(status), `${turnId} is ${status}`)
      }
      assert.sameMembers(
        found,
        sent.map(({ turnId }) => turnId)
      )
    }
  }
}
