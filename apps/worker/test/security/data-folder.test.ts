/** Attacks of other users on the worker's data folder, and machines without a usable folder. */
import { spawn } from "node:child_process"
import {
  chmodSync,
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { basename, join } from "node:path"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { UserDirectories } from "effect/persistence"
import { AppError } from "../../src/AppError.ts"
import { dataFolder } from "../../src/state/DataFolder.ts"
import { operatorKey } from "../../src/state/OperatorKey.ts"
import * as command from "../support/command.ts"

const services = Layer.merge(NodeServices.layer, UserDirectories.layer)
const modeOf = (path: string) => (lstatSync(path).mode & 0o777).toString(8)
/** Each start of the command takes seconds on a busy machine. */
const limit = { timeout: 120_000 }
const STRANGER = 54_321
const isRoot = process.geteuid?.() === 0

const open = (data: string, directory = data) => dataFolder({ data: Option.some(data), demo: false, directory })

const refused = <A, R>(effect: Effect.Effect<A, AppError, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.strictEqual(error.exitCode, 78)
    return error.message
  })

describe.skipIf(process.platform === "win32")("other users of the machine", () => {
  it.live("are excluded by mode 700 for the folder and 600 for keys, whatever the umask is", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      for (const umask of [0o000, 0o277]) {
        const data = join(root, String(umask), "data")
        const before = process.umask(umask)
        const folder = yield* Effect.tap(open(data), ({ operator }) => operatorKey(operator)).pipe(
          Effect.ensuring(Effect.sync(() => process.umask(before)))
        )
        assert.strictEqual(modeOf(join(data, "..")), "700")
        assert.strictEqual(modeOf(folder.root), "700")
        assert.strictEqual(modeOf(folder.operator), "600")
        assert.deepStrictEqual(readdirSync(folder.root), ["operator.json"])
      }
    }).pipe(Effect.provide(services))
  )

  it.live("lose access to an open data folder, but not to a folder with another purpose", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      const [ours, other] = [join(root, "ours"), join(root, "other")]
      for (const folder of [ours, other]) mkdirSync(folder)
      writeFileSync(join(ours, "worker-0123abcd.json"), "{}")
      writeFileSync(join(other, "index.html"), "")
      for (const folder of [ours, other]) chmodSync(folder, 0o777)
      yield* open(ours)
      assert.strictEqual(modeOf(ours), "700")
      assert.include(yield* refused(open(other)), "chmod 700")
      assert.strictEqual(modeOf(other), "777")
    }).pipe(Effect.provide(services))
  )

  it.live.runIf(isRoot)("cannot plant a key, or a link in its place", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      const { operator } = yield* open(join(root, "data"))
      const target = join(root, "target")
      writeFileSync(target, "as it was")
      symlinkSync(target, operator)
      lchownSync(operator, STRANGER, STRANGER)
      assert.include(yield* refused(operatorKey(operator)), `is a link that another user (uid ${STRANGER}) placed`)
      const planted = join(root, "data", "worker-0123abcd.json")
      writeFileSync(planted, "{}")
      chownSync(planted, STRANGER, STRANGER)
      assert.include(yield* refused(operatorKey(planted)), `belongs to another user (uid ${STRANGER})`)
      assert.strictEqual(readFileSync(target, "utf8"), "as it was")
    }).pipe(Effect.provide(services))
  )

  it.live("cannot redirect a key through a link with a predictable name", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      const { operator } = yield* open(join(root, "data"))
      const target = join(root, "target")
      writeFileSync(target, "as it was")
      for (const name of [`${operator}.new`, `${operator}.tmp`]) symlinkSync(target, name)
      yield* operatorKey(operator)
      assert.strictEqual(readFileSync(target, "utf8"), "as it was")
      assert.isTrue(lstatSync(operator).isFile())
    }).pipe(Effect.provide(services))
  )
})

describe("a data folder", () => {
  it.live("has a name that file systems accept, however long the directory's name is", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      // earendil-works/pi#9836: a deep path in Chinese. Corsinvest/cv4vs-agents#80: more than 200 characters.
      const deep = "测试/哲学/伦理学/逻辑学/语言学/分析哲学/科学哲学/心灵哲学/规范的形式化"
      const names = [
        "short",
        "長".repeat(84),
        "x".repeat(255),
        `${"x".repeat(254)}y`,
        deep,
        "x".repeat(201),
        "-rf",
        "a:b*?"
      ]
      const folders = yield* Effect.forEach(names, (name) =>
        dataFolder({ data: Option.none(), demo: false, directory: join(root, name) })
      ).pipe(
        Effect.provideService(UserDirectories.UserDirectories, {
          ...UserDirectories.make(),
          state: () => Effect.succeed(join(root, "state"))
        })
      )
      const roots = folders.map((folder) => folder.root)
      assert.match(basename(roots[0] ?? ""), /^short-[0-9a-f]{8}$/)
      assert.strictEqual(new Set(roots).size, names.length)
      for (const folder of roots) {
        assert.isTrue(statSync(folder).isDirectory())
        assert.isAtMost(Buffer.byteLength(basename(folder)), 140)
      }
    }).pipe(Effect.provide(services))
  )

  it.live("can be a link; a dangling link is refused in one sentence", () =>
    Effect.gen(function* () {
      const root = yield* command.home
      const [target, linked, dangling] = [join(root, "target"), join(root, "linked"), join(root, "dangling")]
      mkdirSync(target, { mode: 0o700 })
      // eugene1g/agent-safehouse#64: ~/.config/opencode is a link into a folder of dotfiles.
      symlinkSync(target, linked)
      const folder = yield* open(join(linked, "data"))
      yield* operatorKey(folder.operator)
      assert.deepStrictEqual(readdirSync(join(target, "data")), ["operator.json"])
      // rocker-org/ml#62: the volume behind the link is not mounted yet.
      symlinkSync(join(root, "nowhere"), dangling)
      for (const data of [dangling, join(dangling, "data")]) {
        assert.match(yield* refused(open(data)), /dangling/)
      }
      // rwlove/home-ops#13249: a folder above it is closed to this user.
      if (isRoot) return
      const closed = join(root, "closed")
      mkdirSync(closed, { mode: 0o500 })
      assert.match(yield* refused(open(join(closed, "data"))), /EACCES|not permitted|denied/)
    }).pipe(Effect.provide(services))
  )

  it.live(
    "causes one sentence and exit code 78 if it cannot be used",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        writeFileSync(join(root, "file"), "")
        const wrong = [join(root, "file"), join(root, "file", "below"), join(root, "x".repeat(300))]
        if (process.platform === "linux") wrong.push("/proc/x", "/proc/x/y")
        for (const data of wrong) assert.include(yield* refused(open(data)), "Choose another", data)
        for (const data of process.env["TEST_FULL"] === undefined ? wrong.slice(0, 1) : wrong) {
          const ended = yield* command.run({ root }, "dev", "--demo", "--data", data)
          assert.strictEqual(ended.code, 78, data)
          assert.include(ended.stderr, "Choose another")
          assert.notMatch(ended.stderr, /^\s+at /m)
        }
      }).pipe(Effect.provide(services)),
    limit
  )

  it.live(
    "is below the home directory if XDG_STATE_HOME is empty or relative",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const project = join(root, "hosted")
        mkdirSync(project)
        for (const value of ["", "relative"]) {
          const environment = { ...command.ownCompileCache, XDG_CACHE_HOME: value, XDG_STATE_HOME: value }
          const ended = yield* command.run(
            { root, environment },
            "dev",
            "--directory",
            project,
            "--opencode",
            "/none",
            "--prompt",
            "x"
          )
          assert.strictEqual(ended.code, 78, ended.stderr)
        }
        assert.deepStrictEqual(readdirSync(project), [])
        assert.notInclude(readdirSync(root), "relative")
        // The other one has the sockets of running processes.
        const folders = readdirSync(join(root, ".local/state/opencode-worker")).filter((name) => name !== "run")
        assert.lengthOf(folders, 1)
      }),
    limit
  )
})

const program = fileURLToPath(new URL("../../dist/bin/main.js", import.meta.url))

/** Runs the command as a user without an entry in the list of users and without an environment. */
const stranger = (cwd: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  Effect.promise(async () => {
    const child = spawn(process.execPath, [program, ...args], { cwd, env, gid: STRANGER, uid: STRANGER })
    child.stdin.end()
    const [out, complaint, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise((resolve) => child.once("close", resolve))
    ])
    return { code, complaint, out }
  })

describe.runIf(isRoot && process.platform === "linux")("a user without a home directory", () => {
  it.live(
    "can run commands that need none, and otherwise gets one sentence and exit code 78",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const project = join(root, "project")
        chmodSync(root, 0o777)
        const version = yield* stranger(project, ["--version"])
        assert.match(version.out, /^opencode-worker v/)
        assert.strictEqual(version.code, 0)
        const needy = [
          [["sessions", "ls"], /There is no home directory for .*: set HOME/],
          [["dev", "--demo", "--data", join(root, "a")], /OpenCode needs a home directory: set HOME/],
          [["start", "--url", "http://127.0.0.1:9", "--data", join(root, "b")], /needs a home directory: set HOME/]
        ] as const
        for (const [args, sentence] of needy) {
          const ended = yield* stranger(project, args)
          assert.match(ended.complaint, sentence)
          assert.notMatch(ended.complaint, /^\s+at /m)
          assert.strictEqual(ended.code, 78)
        }
      }),
    limit
  )

  it.live(
    "or with one that is not usable, gets one sentence, and no folder in the current directory",
    () =>
      Effect.gen(function* () {
        const root = yield* command.home
        const project = join(root, "project")
        chmodSync(root, 0o777)
        chmodSync(project, 0o777)
        const closed = join(root, "closed")
        mkdirSync(closed, { mode: 0o700 })
        const start = ["start", "--url", "http://127.0.0.1:9"]
        const cases = [
          // atuinsh/atuin#3833, erikw/tmux-powerline#311: an empty value. ActiveState/appdirs#61: a relative one.
          [{ HOME: "", XDG_STATE_HOME: "" }, /There is no home directory for .*: set HOME/],
          [{ HOME: "relative" }, /There is no home directory for .*: set HOME/],
          [{ HOME: "~", XDG_STATE_HOME: "state" }, /There is no home directory for .*: set HOME/],
          // openshift/oc#474, truenas/apps#5272: a container runs with a number that is not in its list of users.
          [
            { HOME: "/" },
            /The folder \/\.local\/state\/\S+ cannot be used: permission denied.*set XDG_STATE_HOME, or HOME\./
          ],
          // holgerleichsenring/agent-smith#117: the home was never made, and nothing may be made there.
          [{ HOME: join(closed, "user") }, /The folder \S+closed\/user\S+ cannot be (?:used|read)/],
          // The home of the user who ran sudo.
          [{ HOME: closed }, /The folder \S+closed\S+ cannot be read: set HOME, or XDG_CONFIG_HOME/]
        ] as const
        for (const [env, sentence] of cases) {
          assert.strictEqual((yield* stranger(project, ["--version"], env)).code, 0)
          const ended = yield* stranger(project, start, env)
          assert.match(ended.complaint, sentence)
          assert.notMatch(ended.complaint, /^\s+at |UnknownError/m)
          assert.strictEqual(ended.code, 78, ended.complaint)
        }
        assert.deepStrictEqual(readdirSync(project), [])
      }),
    limit
  )
})
