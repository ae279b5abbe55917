/** Programs that leave their session, drop their environment and lose their parent, as servers do that daemonise. */
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Reply } from "@opencode-worker/testkit"
import { Effect, Option, Schema } from "effect"
import { OpenCodeHost } from "../../src/index.ts"
import { groupName, makeContainment, placeOf } from "../../src/internal/process/controlGroup.ts"
import { makeProcessMemory } from "../../src/internal/process/processMemory.ts"
import { hostIdVariable } from "../../src/internal/process/processTable.ts"
import { killAll } from "../../src/internal/process/processes.ts"
import { endOf, eventually, hosted, parent, runPrompt, setting } from "../support.ts"

/** A number for the arguments of `sleep` by which a test finds its own daemons, which show nothing else. */
const makeTag = Effect.sync(() => String(Number.parseInt(randomUUID().slice(0, 8), 16)))

const count = 4
const daemons = (tag: string) =>
  [
    `env -i sleep 3001.${tag} >/dev/null 2>&1 &`,
    `setsid env -i sleep 3002.${tag} >/dev/null 2>&1 &`,
    // As redis and nginx do: a fork, a new session, another fork, an empty environment.
    `(setsid sh -c 'env -i sleep 3003.${tag} & exit' >/dev/null 2>&1 &)`,
    `sh -c "env -i setsid sh -c '(trap \\"\\" TERM HUP; sleep 3004.${tag}) & exit' & exit" >/dev/null 2>&1 &`
  ].join("\n")

/** Without a control group, the server adopts them when they have ended. */
const orphans = "(setsid env -i true &) ; (setsid env -i true &)"

const commandOf = (pid: string | number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim()
  } catch {
    return ""
  }
}
const pidsOf = (tag: string): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && /^sleep .*\.(\d+)$/.exec(commandOf(name))?.[1] === tag)
    .map(Number)
const alive = (tag: string) => Effect.sync(() => pidsOf(tag).map(commandOf))
const zombiesOf = (parentPid: number) =>
  Effect.sync(() =>
    readdirSync("/proc").filter((name) => {
      try {
        return readFileSync(`/proc/${name}/stat`, "latin1").includes(`) Z ${parentPid} `)
      } catch {
        return false
      }
    })
  )
/** The folder of a host's control group, where this process may make one. */
const groupOf = (hostId: string) => {
  const [own, mounts] = ["cgroup", "mountinfo"].map((file) => readFileSync(`/proc/self/${file}`, "utf8"))
  return join(placeOf(own ?? "", mounts ?? "") ?? "/nowhere", groupName(hostId))
}

const Started = Schema.fromJsonString(Schema.Struct({ hostId: Schema.String }))

const all = (found: ReadonlyArray<string>) => found.length === count
const none = (found: ReadonlyArray<string>) => found.length === 0

const model = (tag: string) =>
  setting(({ lastUserText, toolResults }) => {
    if (toolResults.length > 0) return Reply.text("done")
    const wait = lastUserText === "stay" ? "\nsleep 300" : ""
    return Reply.toolCall("bash", { command: `${daemons(tag)}\n${orphans}${wait}`, description: "start daemons" })
  })

const contains = await Effect.runPromise(Effect.scoped(Effect.map(makeContainment(randomUUID()), Option.isSome)))
const limit = 120_000

describe.skipIf(process.platform !== "linux")("daemons of the agent", () => {
  // `pnpm test:full` tries both ways; otherwise the one that hosts on this machine use.
  for (const contain of [true, false]) {
    const isSkipped = contain ? !contains : contains && process.env["TEST_FULL"] === undefined
    describe.skipIf(isSkipped)(`${contain ? "in" : "without"} a control group`, () => {
      it.live(
        "are gone when the host is closed, with the libraries that the server unpacked, and do not stay zombies",
        () =>
          Effect.gen(function* () {
            const tag = yield* makeTag
            const { options, root } = yield* model(tag)
            const temporary = join(root, "tmp")
            mkdirSync(temporary)
            const environment = { ...options.environment, TMPDIR: temporary }
            const { folder, hostId } = yield* hosted(
              { ...options, environment, contain },
              Effect.gen(function* () {
                assert.strictEqual(endOf(yield* runPrompt("go")).outcome, "completed")
                yield* eventually(alive(tag), all)
                const { pid = 0 } = yield* (yield* OpenCodeHost).server
                yield* eventually(zombiesOf(pid), none)
                const own = /\0BUN_TMPDIR=([^\0]*)/.exec(readFileSync(`/proc/${pid}/environ`, "latin1"))?.[1] ?? ""
                assert.isNotEmpty(readdirSync(own).filter((name) => name.endsWith(".so")))
                return { folder: own, hostId: (yield* OpenCodeHost).hostId }
              })
            )
            assert.isFalse(existsSync(groupOf(hostId)))
            assert.deepStrictEqual(yield* alive(tag), [])
            assert.isFalse(existsSync(folder))
            assert.deepStrictEqual(
              readdirSync(temporary).filter((name) => name.endsWith(".so")),
              []
            )
          }),
        limit
      )

      it.live(
        "are gone when the host is killed",
        () =>
          Effect.gen(function* () {
            const tag = yield* makeTag
            const { options } = yield* model(tag)
            const child = yield* parent({ ...options, contain })
            const { hostId } = yield* Effect.callback<string>((resume) => {
              child.stdout?.once("data", (line) => resume(Effect.succeed(String(line))))
            }).pipe(Effect.flatMap(Schema.decodeUnknownEffect(Started)))
            assert.strictEqual(existsSync(groupOf(hostId)), contain)
            yield* eventually(alive(tag), all)
            child.kill("SIGKILL")
            yield* eventually(alive(tag), none)
            yield* eventually(
              Effect.sync(() => existsSync(groupOf(hostId))),
              (exists) => !exists
            )
          }),
        limit
      )
    })
  }

  it.live(
    "are remembered when the server that started them dies",
    () =>
      Effect.gen(function* () {
        const hostId = randomUUID()
        const tag = yield* makeTag
        const memory = yield* makeProcessMemory(hostId, () => Effect.void)
        // Nothing adopts the orphans of this server, so the test ends what the killAll cannot know.
        yield* Effect.addFinalizer(() => Effect.sync(() => pidsOf(tag).forEach((pid) => process.kill(pid, "SIGKILL"))))
        const server = spawn("sh", ["-c", `${daemons(tag)}\nsleep 300`], {
          detached: true,
          env: { PATH: process.env["PATH"], [hostIdVariable]: hostId },
          stdio: "ignore"
        })
        yield* eventually(alive(tag), all)
        // Its two daemons with other sessions are orphans already: below a server that adopts, they are not.
        yield* eventually(Effect.andThen(memory.notice, memory.known), ({ processes }) => processes.size > 0)
        server.kill("SIGKILL")
        yield* killAll(hostId, yield* memory.known)
        const left = yield* alive(tag)
        assert.isFalse(
          left.some((words) => words.includes("3001.")),
          left.join()
        )
      }).pipe(Effect.scoped),
    limit
  )
})
