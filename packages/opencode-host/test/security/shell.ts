/** Attacks on the question before a shell command: scripts that OpenCode's parser finds no command in. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { Reply, type Script, ScriptedProvider } from "@opencode-worker/testkit"
import { Effect, Schema, Stream } from "effect"
import { OpenCodeHost, type TurnEvent } from "../../src/index.ts"
import { isPermission, newSession, promptOf } from "../support.ts"
import type { InAskingWorld } from "./askingHost.ts"
import { scriptsFor } from "./shellScripts.ts"

const limit = { timeout: 240_000 }
/** For each shell; the model calls for all of them in one step. zsh runs no line of a script that it cannot read. */
const count = 24
const seed = Number(process.env["SHELL_SEED"] ?? 20_261_129)

const proof = (index: number) => `proof-${index}`
const proofsIn = (folder: string) => readdirSync(folder).filter((name) => name.startsWith("proof-"))

const commandsOf = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(Schema.String)))

/** The prompt is a list of commands, all of which the model runs at once. */
const model: Script = ({ lastUserText, toolResults }) =>
  toolResults.length > 0
    ? Reply.text("done")
    : Reply.sequence(commandsOf(lastUserText).map((command) => Reply.toolCall("bash", { command, description: "it" })))

/** Runs commands; the answer comes when each was asked. Proofs are listed before it, and after the turn. */
const run = Effect.fnUntraced(function* (commands: ReadonlyArray<string>, answer: "once" | "reject") {
  const { client, directory, turn } = yield* OpenCodeHost
  const requests = new Map<string, string>()
  const seen: Array<string> = []
  let before: ReadonlyArray<string> = ["nothing was asked"]
  const input = yield* promptOf(yield* newSession, JSON.stringify(commands))
  yield* turn(input).pipe(
    Stream.runForEach(
      Effect.fnUntraced(function* (event: TurnEvent) {
        seen.push(JSON.stringify(event))
        if (!isPermission(event)) return
        const { always, id, metadata } = event.request
        assert.deepStrictEqual(always, [])
        requests.set(id, String(metadata["command"]))
        if (requests.size < commands.length) return
        before = proofsIn(directory)
        // One that is rejected rejects all of the session.
        const ids = answer === "reject" ? [...requests.keys()].slice(0, 1) : requests.keys()
        for (const request of ids) yield* client.permissions.reply(request, answer)
      })
    )
  )
  const { messages } = yield* client.messages.list(input.sessionId)
  const asked = [...requests.values()]
  return { asked, before, after: proofsIn(directory), seen: [...seen, JSON.stringify(messages)].join("\n") }
})

/** Scripts that make their file when this shell runs them: an attack that does nothing shows nothing. */
const harmful = (shell: string, scripts: ReadonlyArray<string>) => {
  const folder = mkdtempSync(join(tmpdir(), "scripts-"))
  for (const script of scripts) spawnSync(shell, ["-c", script], { cwd: folder, stdio: "ignore", timeout: 10_000 })
  const made = proofsIn(folder)
  rmSync(folder, { recursive: true })
  return made
}

/** zsh is not everywhere; the other two are. */
export const shells = ["bash", "sh", "zsh"].flatMap((name) =>
  ["/bin", "/usr/bin"]
    .map((folder) => join(folder, name))
    .filter(existsSync)
    .slice(0, 1)
    .map((path) => ({ name, path }))
)

/** They change the model. */
export const shellTests =
  ({ name, path }: (typeof shells)[number]) =>
  (it: InAskingWorld) => {
    it.effect("a shell script without a simple command is tried in bash and sh at least", () =>
      Effect.sync(() => {
        assert.includeMembers(
          shells.map((shell) => shell.name),
          ["bash", "sh"]
        )
      })
    )

    const scripts = scriptsFor(name, count, seed, proof)
    it.effect(
      `a shell script without a simple command is asked for before ${name} runs it, and does nothing when it is refused`,
      () =>
        Effect.gen(function* () {
          yield* ScriptedProvider.use(({ setScript }) => setScript(model))
          assert.isAbove(harmful(path, scripts).length, count / 5)
          const refused = yield* run(scripts, "reject")
          assert.sameMembers(refused.asked, scripts)
          assert.deepStrictEqual({ before: refused.before, after: refused.after }, { before: [], after: [] })
          assert.notInclude(refused.seen, "true opencode-host")

          const made = harmful(path, scripts)
          const allowed = yield* run(scripts, "once")
          assert.deepStrictEqual(allowed.before, [])
          assert.sameMembers([...allowed.after], made)
          assert.notInclude(allowed.seen, "true opencode-host")
        }),
      limit
    )
  }
