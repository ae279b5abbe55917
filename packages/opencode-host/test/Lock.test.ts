/** The lock of a directory on a file system without hard links, which a library that is loaded first stands for. */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

const source = `#include <errno.h>
#include <stdlib.h>
static int refuse() { errno = atoi(getenv("NO_LINK")); return -1; }
int link(const char *a, const char *b) { return refuse(); }
int linkat(int x, const char *a, int y, const char *b, int f) { return refuse(); }
`

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "opencode-host-lock-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** The library, or undefined without a C compiler. */
const build = (root: string): string | undefined => {
  const library = join(root, "nolink.so")
  writeFileSync(join(root, "nolink.c"), source)
  try {
    execFileSync("cc", ["-w", "-shared", "-fPIC", "-o", library, join(root, "nolink.c")], { stdio: "ignore" })
    return library
  } catch {
    return undefined
  }
}

const hold = (root: string, name: string, environment: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const file = new URL("./fixtures/hold.ts", import.meta.url).pathname
      const args = ["--conditions=@opencode-worker/source", file, join(root, "state"), root, name]
      const child = spawn(process.execPath, args, {
        env: { ...process.env, ...environment },
        stdio: ["ignore", "pipe", "inherit"]
      })
      const [said] = await once(child.stdout, "data")
      const kill = async () => {
        if (child.exitCode !== null || !child.kill("SIGKILL")) return
        await once(child, "exit")
      }
      return { said: String(said).trim(), kill }
    }),
    ({ kill }) => Effect.promise(kill)
  )

/** How file systems were reported to refuse a link. */
const refusals = [
  ["ENOTSUP", "SMB, NFS, virtiofs: openclaw/openclaw#81089"],
  ["EPERM", "vfat, exFAT on Linux: akasecurity/ai-tc#221"],
  ["EINVAL", "FAT32: akasecurity/ai-tc#221"],
  ["EIO", "exFAT through FUSE: s3fs-fuse/s3fs-fuse#1633"]
] as const

describe.runIf(process.platform === "linux")("the lock of a directory where links are refused", () => {
  // `pnpm test:full` tries each refusal.
  it.live.each(process.env["TEST_FULL"] === undefined ? refusals.slice(0, 1) : refusals)(
    "with %s is held by one process, and taken over when that is dead (%s)",
    ([code], { skip }) =>
      Effect.gen(function* () {
        const root = yield* folder
        const library = build(root)
        if (library === undefined) return skip()
        const environment = { LD_PRELOAD: library, NO_LINK: String(constants.errno[code]) }
        const first = yield* hold(root, "first", environment)
        assert.strictEqual(first.said, "held")
        assert.match((yield* hold(root, "second", environment)).said, /is already hosted in .* by process/)
        yield* Effect.promise(first.kill)
        assert.strictEqual((yield* hold(root, "third", environment)).said, "held")
        assert.lengthOf(readdirSync(join(root, "state", "hosts")), 1)
      }).pipe(Effect.scoped),
    120_000
  )
})
