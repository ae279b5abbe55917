/** `opencode-worker notify …`: where the deployment sends what waits for you. */
import type { NotifyTarget } from "@opencode-worker/client"
import { Client } from "@opencode-worker/client/effect"
import { Config, Effect, Option, Redacted } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { configError, temporaryError } from "../../AppError.ts"
import { prefixLength, unique } from "../../operator/lookup.ts"
import { json, printRows } from "../../operator/output.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { ScreenText, screen } from "../../terminal/output/ScreenText.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { descriptions } from "../descriptions.ts"

const kinds = ["asked", "gone", "failed", "interrupted", "finished"] as const

const all = Effect.flatMap(Client, (client) => client.call(({ notifications }, options) => notifications.list(options)))

const state = ({ lastError, lastSentAt }: NotifyTarget): string =>
  lastError !== null ? lastError.message : lastSentAt === null ? "nothing sent yet" : "ok"

const ls = operatorCommand(
  "ls",
  "List where notifications are sent, with the last error of each",
  { json },
  Effect.fnUntraced(function* (given) {
    const rows = yield* all
    const length = prefixLength(rows.map(({ targetId }) => targetId))
    yield* printRows({
      rows,
      json: given.json,
      empty: screen`No notifications: opencode-worker notify add sends them to a webhook or an ntfy topic.`,
      columns: (since) => [
        { name: "ID", value: ({ targetId }) => targetId.slice(0, length) },
        { name: "KIND", value: ({ kind }) => kind },
        { name: "URL", value: ({ url }) => url, shrinks: true },
        { name: "ABOUT", value: ({ wants }) => (wants.length === kinds.length ? "all" : wants.join(",")) },
        { name: "CONTENT", value: ({ content }) => (content ? "yes" : "no") },
        { name: "SENT", value: ({ lastSentAt }) => since(lastSentAt) },
        { name: "STATE", value: state, shrinks: true }
      ]
    })
  })
)

/** From the environment: other users of a machine can read the command lines of its processes. */
const givenSecret = Config.option(Config.Redacted("OPENCODE_WORKER_NOTIFY_SECRET")).pipe(
  Effect.mapError(() => configError("OPENCODE_WORKER_NOTIFY_SECRET cannot be read."))
)

const add = operatorCommand(
  "add",
  "Send notifications to a webhook or an ntfy topic; the same URL again replaces its settings. OPENCODE_WORKER_NOTIFY_SECRET signs webhooks, or is the access token of ntfy",
  {
    url: Argument.String("url").pipe(Argument.withDescription("https:// URL of the webhook or topic")),
    ntfy: Flag.Boolean("ntfy").pipe(
      Flag.withDescription("The URL is an ntfy topic, such as https://ntfy.sh/my-topic"),
      Flag.withDefault(false)
    ),
    about: Flag.Literals("about", kinds).pipe(
      Flag.withDescription("asked, gone, failed, interrupted or finished; repeat it for several (default: all)"),
      Flag.atLeast(0)
    ),
    content: Flag.Boolean("content").pipe(
      Flag.withDescription("Send titles and the line of a request or error also"),
      Flag.withDefault(false)
    ),
    ofDevice: Flag.Boolean("of-device").pipe(
      Flag.withDescription("Remove it when this device is revoked"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ about, content, ntfy, ofDevice, url }) {
    const client = yield* Client
    const secret = yield* givenSecret
    const targetId = yield* client.call(({ notifications }, options) =>
      notifications.add(
        {
          kind: ntfy ? "ntfy" : "webhook",
          url,
          content,
          ofDevice,
          ...(about.length > 0 && { wants: about }),
          ...(Option.isSome(secret) && { secret: Redacted.value(secret.value) })
        },
        options
      )
    )
    yield* printLine(screen`Added ${targetId}: opencode-worker notify test ${targetId} sends a test.`)
  })
)

const target = Argument.String("target").pipe(Argument.withDescription("Its id, or the start of it"))

const find = Effect.fnUntraced(function* (given: string) {
  return yield* unique({
    kind: "target",
    given,
    found: (yield* all).filter(({ targetId }) => given !== "" && targetId.startsWith(given)),
    idOf: ({ targetId }) => targetId,
    list: "opencode-worker notify ls"
  })
})

const test = operatorCommand(
  "test",
  "Send a test now, and show whether it was accepted",
  { target },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { targetId, url } = yield* find(given.target)
    const error = yield* client.call(({ notifications }, options) => notifications.test(targetId, options))
    if (error !== null) return yield* temporaryError(`The test was not delivered: ${error}`)
    yield* printLine(screen`Sent to ${ScreenText.line(url)}`)
  })
)

const rm = operatorCommand(
  "rm",
  "Send no more notifications to a target",
  { target },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { targetId, url } = yield* find(given.target)
    yield* client.call(({ notifications }, options) => notifications.remove(targetId, options))
    yield* printLine(screen`Removed: ${ScreenText.line(url)}`)
  })
)

export const notify = Command.make("notify").pipe(
  Command.withDescription(descriptions.notify),
  Command.withSubcommands([ls, add, test, rm])
)
