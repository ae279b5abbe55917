/** `opencode-worker devices …`: the phones, browsers and machines that may act for you. */
import { Client } from "@opencode-worker/client/effect"
import { Effect, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { prefixLength, unique } from "../../operator/lookup.ts"
import { json, printRows } from "../../operator/output.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { ScreenText, screen } from "../../terminal/output/ScreenText.ts"
import { printAudit } from "./audit.ts"
import { confirmed, yes } from "./confirmed.ts"
import { limit } from "./flags.ts"
import { operatorCommand } from "./operatorCommand.ts"
import { descriptions } from "../descriptions.ts"

const device = Argument.String("device").pipe(Argument.withDescription("Its id, the start of it, or its name"))

const findDevice = Effect.fnUntraced(function* (given: string) {
  const client = yield* Client
  const all = yield* client.call((operator, options) => operator.devices.list(options))
  return yield* unique({
    kind: "device",
    given,
    found: all.filter(
      ({ deviceId, name, revokedAt }) =>
        revokedAt === null && given !== "" && (name === given || deviceId.startsWith(given))
    ),
    idOf: ({ deviceId }) => deviceId,
    list: "opencode-worker devices ls"
  })
})

const ls = operatorCommand(
  "ls",
  "List your devices, active ones first",
  { json },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const rows = yield* client.call((operator, options) => operator.devices.list(options))
    const length = prefixLength(rows.map(({ deviceId }) => deviceId))
    yield* printRows({
      rows,
      json: given.json,
      empty: screen`No devices yet: opencode-worker devices add creates a code for one.`,
      columns: (since) => [
        { name: "ID", value: ({ deviceId }) => deviceId.slice(0, length) },
        { name: "NAME", value: ({ isCurrent, name }) => `${name}${isCurrent ? " (this one)" : ""}`, shrinks: true },
        { name: "SCOPE", value: ({ revokedAt, scope }) => (revokedAt === null ? scope : "revoked") },
        { name: "SEEN", value: ({ lastSeenAt }) => since(lastSeenAt) }
      ]
    })
  })
)

const add = operatorCommand(
  "add",
  "Show a code with which another device signs in, within 5 minutes",
  {
    name: Argument.String("name").pipe(Argument.withDescription("Its name in lists and in the audit")),
    scope: Flag.Literals("scope", ["read", "approve", "operate"]).pipe(
      Flag.withDescription("read; approve: also answer requests; operate: everything (default)"),
      Flag.withDefault("operate" as const)
    )
  },
  Effect.fnUntraced(function* ({ name, scope }) {
    const client = yield* Client
    const { code } = yield* client.call((operator) => operator.devices.add({ name, scope }))
    yield* printLine(screen`${code}`)
  })
)

const revoke = operatorCommand(
  "revoke",
  "Revoke a device, which loses access at once",
  { device, yes },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { deviceId, name } = yield* findDevice(given.device)
    yield* confirmed(given.yes, screen`? Revoke ${ScreenText.line(name)}? [y]es, [n]o\n`)
    yield* client.call((operator) => operator.devices.revoke(deviceId))
    yield* printLine(screen`Revoked: ${ScreenText.line(name)}`)
  })
)

const rename = operatorCommand(
  "rename",
  "Rename a device",
  { device, name: Argument.String("name").pipe(Argument.withDescription("The new name")) },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const { deviceId } = yield* findDevice(given.device)
    yield* client.call((operator) => operator.devices.rename(deviceId, given.name))
    yield* printLine(screen`Renamed ${deviceId}: ${ScreenText.line(given.name)}`)
  })
)

const audit = operatorCommand(
  "audit",
  "List codes, sign-ins and revocations of your devices, the newest first",
  { limit, json },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const newest = client.stream((operator) => operator.devices.audit())
    yield* printAudit(yield* Stream.runCollect(Stream.take(newest, given.limit)), given.json)
  })
)

export const devices = Command.make("devices").pipe(
  Command.withDescription(descriptions.devices),
  Command.withSubcommands([ls, add, rename, revoke, audit])
)
