/** `doctor` in set-ups that are broken on purpose, one per row, and in one that is not. */
import { chmodSync, mkdirSync, truncateSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { openCodeProgram, startDeployment } from "@opencode-worker/harness"
import { Effect } from "effect"
import * as command from "../support/command.ts"

const limit = { timeout: 180_000 }
const run = command.runner()

interface Finding {
  readonly name: string
  readonly state: "ok" | "warning" | "problem"
  readonly detail: string
  readonly advice: string | null
}

interface SetUp {
  readonly args?: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
}

/** Without OpenCode, whose start would take most of the time. */
const without = ["--opencode", "/none"]

/** In place of a deployment in the data folder, which the command would start. */
const unreachable = ["--url", "http://127.0.0.1:9"]

const examine = Effect.fnUntraced(function* (root: string, { args = [], environment = {} }: SetUp) {
  const { code, stderr, stdout } = yield* run({ root, environment }, "doctor", "--json", ...args)
  assert.notMatch(stderr, /^\s+at /m)
  const findings: ReadonlyArray<Finding> = JSON.parse(stdout)
  return { code, findings }
})

/** An HTTP server that is no deployment, or one with a wrong clock. */
const server = (status: number, headers: Readonly<Record<string, string>> = {}) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ url: string; close: () => void }>((resolve) => {
          const http = createServer((_, response) => void response.writeHead(status, headers).end("1"))
          http.listen(0, "127.0.0.1", () => {
            // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a TCP server
            const { port } = http.address() as AddressInfo
            resolve({ url: `http://127.0.0.1:${port}`, close: () => http.close() })
          })
        })
    ),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ url }) => url))

type Broken = (root: string) => SetUp
const data = (root: string) => join(root, "data-folder")

/** Writes a file of the data folder. */
const dataFile = (root: string, name: string, content: string) => {
  mkdirSync(data(root), { mode: 0o700, recursive: true })
  writeFileSync(join(data(root), name), content, { mode: 0o600 })
}

const program = (root: string, mode: number, text = "#!/bin/sh\nexit 1\n") => {
  const file = join(root, "opencode")
  writeFileSync(file, text)
  chmodSync(file, mode)
  return file
}

type Expected = readonly [name: string, detail: RegExp]

/** Checks do not depend on each other, so one set-up is broken in several ways. */
const broken: ReadonlyArray<readonly [title: string, broken: Broken, ...expected: ReadonlyArray<Expected>]> = [
  [
    "the home as the directory, no OpenCode, no temporary folder, no git, a large database, and an unreachable deployment",
    (root) => {
      const folder = join(root, "data", "opencode")
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, "opencode.db"), "")
      truncateSync(join(folder, "opencode.db"), 6e9)
      const args = ["-d", root, ...unreachable, ...without]
      return { args, environment: { PATH: "/none", TMPDIR: "/none" } }
    },
    ["directory", /contains your home/],
    ["OpenCode", /\/none \(option binary\) does not exist/],
    ["temporary folder", /\/none cannot be written/],
    ["git", /not found/],
    ["OpenCode's database", /6\.0 GB/],
    ["deployment", /does not respond/]
  ],
  [
    "a damaged data file and no repository",
    (root) => {
      dataFile(root, "operator.json", "{")
      return { args: ["--data", data(root), ...without] }
    },
    ["data folder", /operator\.json is damaged: move it away/],
    ["git", /is no repository/]
  ],
  [
    "an OpenCode that is not executable",
    (root) => ({ args: [...unreachable, "--opencode", program(root, 0o644)] }),
    ["OpenCode", /is not an executable file/]
  ],
  [
    "an OpenCode that does not start",
    (root) => ({ args: [...unreachable, "--opencode", program(root, 0o755)] }),
    ["OpenCode", /exited with code 1.*Run opencode serve there/s]
  ],
  ["a missing directory", () => ({ args: ["-d", "none"] }), ["configuration", /none does not exist: create it/]]
]

/** Other reasons for which there is nothing further to check. `pnpm test:full` tests them. */
const unusable: typeof broken = [
  [
    "a file as the directory",
    (root) => ({ args: ["-d", program(root, 0o644)] }),
    ["configuration", /is not a directory/]
  ],
  [
    "a file as the data folder",
    (root) => ({ args: ["--data", program(root, 0o644)] }),
    ["configuration", /Choose another/]
  ],
  [
    "an address that is none",
    () => ({ args: ["--url", "happy-otter-123"] }),
    ["configuration", /is not the address of a deployment/]
  ],
  [
    "an unencrypted address",
    () => ({ args: ["--url", "http://192.0.2.1"] }),
    ["configuration", /give its https address/]
  ],
  [
    "a password in the address",
    () => ({ args: ["--url", "https://me:hunter2@a.example"] }),
    ["configuration", /holds a user name or a password/]
  ],
  [
    "a proxy that cannot be used",
    () => ({ args: ["--url", "https://a.example"], environment: { HTTPS_PROXY: "socks5://b.example" } }),
    ["configuration", /SOCKS proxies are not supported/]
  ]
]

const expectFinding = (findings: ReadonlyArray<Finding>, name: string, detail: RegExp) => {
  const found = findings.filter((finding) => finding.name === name && finding.state !== "ok")
  assert.isTrue(
    found.some((finding) => detail.test(finding.detail)),
    `${name} ${detail} in ${JSON.stringify(findings)}`
  )
}

describe("opencode-worker doctor", () => {
  it.live.each(process.env["TEST_FULL"] === undefined ? broken : [...broken, ...unusable])(
    "finds %s",
    ([, setUp, ...expected]) =>
      Effect.gen(function* () {
        const root = yield* command.home
        const { findings } = yield* examine(root, setUp(root))
        for (const [name, detail] of expected) expectFinding(findings, name, detail)
      }),
    limit
  )

  it.live(
    "finds a server that is no deployment, a wrong clock, and credentials that the deployment does not know",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const other = yield* examine(root, { args: ["--url", yield* server(404), ...without] })
        expectFinding(other.findings, "deployment", /is not a Convex deployment \(404\)/)
        const late = yield* server(200, { date: new Date(Date.now() - 3_600_000).toUTCString() })
        const skewed = yield* examine(root, { args: ["--url", late, ...without] })
        expectFinding(skewed.findings, "clock", /36\d\d s ahead of the deployment/)

        const deployment = yield* Effect.acquireRelease(
          Effect.promise(() => startDeployment(join(root, "deployment"))),
          ({ kill }) => Effect.promise(kill)
        )
        const args = ["--url", deployment.url, "--data", data(root)]
        const unpaired = yield* examine(root, { args: [...args, ...without] })
        expectFinding(unpaired.findings, "identity", /is not paired yet/)

        // An older OpenCode of the user's own, next to the one that the worker starts.
        program(root, 0o755, "#!/bin/sh\necho 1.17.9\n")
        const environment = { PATH: `${root}:${process.env["PATH"]}` }
        const whole = yield* examine(root, { args: [...args, "--opencode", openCodeProgram], environment })
        assert.strictEqual(whole.code, 0)
        expectFinding(whole.findings, "your opencode", /is 1\.17\.9, older than the worker's 1\./)
        assert.deepInclude(
          whole.findings.find(({ name }) => name === "OpenCode"),
          { state: "ok" }
        )
      }),
    limit
  )
})
