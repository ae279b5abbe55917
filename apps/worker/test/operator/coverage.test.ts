/** Every function of the backend that an operator can call has a command, or a reason. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { functionsDir } from "@opencode-worker/convex-backend"
import { assert, it } from "vitest"

/** The command that calls a function. Text in brackets is the reason why there is none. */
const commands: Readonly<Record<string, string>> = {
  "approvals.list": "approvals ls",
  "approvals.revoke": "approvals revoke",
  "catalog.get": "workers agents",
  "changes.get": "turns diff",
  "commands.get": "workers pause",
  "devices.add": "devices add",
  "devices.audit": "devices audit",
  "devices.leave": "logout",
  "devices.list": "devices ls",
  "devices.rename": "devices rename",
  "devices.revoke": "devices revoke",
  "files.list": "turns files",
  "files.uploadUrl": "send --attach",
  "inbox.archive": "inbox archive",
  "inbox.count": "inbox ls --watch",
  "inbox.list": "inbox ls",
  "inbox.markRead": "inbox read",
  "inbox.pin": "inbox pin",
  "models.get": "workers models",
  "notifications.add": "notify add",
  "notifications.list": "notify ls",
  "notifications.remove": "notify rm",
  "notifications.test": "notify test",
  "pairing.approve": "approve",
  "pairing.preview": "approve",
  "promptQueue.drop": "turns drop",
  "promptQueue.edit": "turns edit",
  "promptQueue.list": "turns queue",
  "promptQueue.move": "turns move",
  "pushSubscriptions.key": "(for pages: the key of PushManager.subscribe)",
  "pushSubscriptions.subscribe": "(for pages: a browser subscribes itself; notify ls, test and rm have its target)",
  "pushSubscriptions.unsubscribe": "(for pages; notify rm does the same)",
  "queries.ask": "workers files",
  "queries.close": "workers cat",
  "queries.get": "workers diff",
  "requests.answer": "answer",
  "requests.get": "allow",
  "requests.pending": "deny",
  "search.find": "search",
  "sessionActions.compact": "sessions compact",
  "sessionActions.fork": "sessions fork",
  "sessionActions.redo": "sessions redo",
  "sessionActions.shell": "sessions shell",
  "sessionActions.undo": "sessions undo",
  "sessions.create": "send",
  "sessions.get": "dev --session",
  "sessions.list": "sessions ls",
  "sessions.loadHistory": "sessions load-history",
  "sessions.remove": "sessions rm",
  "sessions.rename": "sessions rename",
  "sessions.watch": "send",
  "turns.abort": "turns abort",
  "turns.command": "(the client has it; no command of the terminal calls it yet)",
  "turns.list": "turns ls",
  "turns.live": "turns wait",
  "turns.outline": "(for pages that show a long turn in pieces: sessions show reads whole parts)",
  "turns.part": "(for pages that show a long turn in pieces: sessions show reads whole parts)",
  "turns.parts": "sessions show",
  "turns.prompt": "sessions export",
  "turns.resend": "turns retry",
  "turns.send": "send",
  "usage.days": "usage",
  "usage.session": "usage --session",
  "workers.audit": "workers audit",
  "workers.drain": "workers drain",
  "workers.list": "workers ls",
  "workers.pause": "workers pause",
  "workers.refreshModels": "workers models --refresh",
  "workers.resume": "workers resume",
  "workers.revoke": "workers revoke"
}

const operatorFunctions = readdirSync(functionsDir)
  .filter((name) => name.endsWith(".ts"))
  .flatMap((name) => {
    const source = readFileSync(join(functionsDir, name), "utf8")
    const found = source.matchAll(
      /^export const (\w+) = (?:(?:operator|reader|approver|stopping|full)(?:Query|Mutation|Action)|tell)\(/gm
    )
    return Array.from(found, ([, exported]) => `${name.slice(0, -3)}.${exported}`)
  })

it("every operator function has a command, or a reason why it has none", () => {
  assert.deepStrictEqual(operatorFunctions.toSorted(), Object.keys(commands).toSorted())
})

it("the commands of the table exist", () => {
  const folder = join(import.meta.dirname, "../../src/commands")
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("\n")
  for (const command of Object.values(commands).filter((text) => !text.startsWith("("))) {
    for (const word of command.split(" ").filter((each) => !each.startsWith("--"))) {
      assert.match(sources, new RegExp(`"${word}"`), command)
    }
  }
})
