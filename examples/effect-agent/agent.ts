/** Asks several questions at once, each topic in a conversation of its own: `npm start ~/code/my-app` */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { OpenCodeHost } from "@opencode-worker/opencode-host"
import { SessionPool } from "@opencode-worker/session-pool"
import { Console, Effect, Stream } from "effect"

const questions = [
  { topic: "files", text: "Describe the files of this directory." },
  { topic: "tests", text: "How are the tests run?" },
  { topic: "files", text: "Which of these files is the largest?" }
]

const program = Effect.gen(function* () {
  const host = yield* OpenCodeHost

  // At most two conversations are open. A topic is used by one question at a time, so the third one waits for the first.
  const pool = yield* SessionPool.make({
    capacity: 2,
    open: (topic: string) => host.client.sessions.create({ title: topic })
  })

  const ask = (sessionId: string, text: string) =>
    host.turn({ sessionId, text }).pipe(
      Stream.runFold(
        () => "",
        (answer, event) => (event._tag === "TextDelta" ? answer + event.delta : answer)
      )
    )

  yield* Effect.forEach(
    questions,
    ({ text, topic }) =>
      pool.use(topic, ({ id }) => ask(id, text)).pipe(Effect.andThen((answer) => Console.log(`${text}\n${answer}\n`))),
    { concurrency: "unbounded", discard: true }
  )
}).pipe(Effect.scoped)

const layer = OpenCodeHost.layer({ directory: process.argv[2] ?? process.cwd() })

NodeRuntime.runMain(Effect.provide(program, layer))
