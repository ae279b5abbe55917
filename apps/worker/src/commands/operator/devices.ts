/** `opencode-worker devices …`: the phones, browsers and machines that may act for you. */
import { Client } from "@opencode-worker/client/effect"
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { prefixLength, unique } from "../../operator/lookup.ts"
import { json, printRows } from "../../operator/output.ts"
import { printLine } from "../../terminal/output/Output.ts"
import { ScreenText, screen } from "../../terminal/output/ScreenText.ts"
import { confirmed, yes } from "./confirmed.ts"
import { operatorCommand } from "./operatorCommand.ts"

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
  { device: Argument.String("device").pipe(Argument.withDescription("Its id, the start of it, or its name")), yes },
  Effect.fnUntraced(function* (given) {
    const client = yield* Client
    const active = (yield* client.call((operator, options) => operator.devices.list(options))).filter(
      ({ revokedAt }) => revokedAt === null
    )
    const { deviceId, name } = yield* unique({
      kind: "device",
      given: given.device,
      found: active.filter((each) => each.name === given.device || each.deviceId.startsWith(given.device)),
      idOf: (each) => each.deviceId,
      list: "opencode-worker devices ls"
    })
    yield* confirmed(given.yes, screen`? Revoke ${ScreenText.line(name)}? [y]es, [n]o\n`)
    yield* client.call((operator) => operator.devices.revoke(deviceId))
    yield* printLine(screen`Revoked: ${ScreenText.line(name)}`)
  })
)

export const devices = Command.make("devices").pipe(
  Command.withDescription("List, add and revoke the devices that may act for you"),
  Command.withSubcommands([ls, add, revoke])
)
