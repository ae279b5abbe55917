/** Other users of the machine against the data folder: open modes, hostile umasks, planted links, folders and files. */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"
import { ConvexEmbeddedError, type ConvexEmbeddedOptions } from "../../src/index.ts"
import { readHolder } from "../../src/internal/storage/holder.ts"
import { createPrivateFile, makePrivateFolder, replacePrivateFile } from "../../src/PrivateFiles.ts"
import { connectHttp, deploy, FUNCTIONS, temporaryFolder } from "../deployment.ts"
import { api } from "../fixtures/convex/_generated/api.js"

const modeOf = (path: string) => (lstatSync(path).mode & 0o777).toString(8)

/** The modes of a folder and of all that is in it. */
const modesIn = (folder: string): Record<string, string> => ({
  ".": modeOf(folder),
  ...Object.fromEntries(
    readdirSync(folder, { recursive: true }).map((name) => [String(name), modeOf(join(folder, String(name)))])
  )
})

const withUmask = async <A>(umask: number, run: () => Promise<A>): Promise<A> => {
  const before = process.umask(umask)
  try {
    return await run()
  } finally {
    process.umask(before)
  }
}

const refusal = async (options: Partial<ConvexEmbeddedOptions>): Promise<ConvexEmbeddedError> => {
  const cause: unknown = await deploy(options).then(
    () => new Error("It should not have started"),
    (error: unknown) => error
  )
  assert.instanceOf(cause, ConvexEmbeddedError)
  return cause
}

const STRANGER = 54_321
const isRoot = process.geteuid?.() === 0

const serve = async (words: ReadonlyArray<string>, dataDir: string, env: NodeJS.ProcessEnv = {}) => {
  const script = fileURLToPath(import.meta.resolve("../../src/cli.ts"))
  const [program, ...args] = [...words, process.execPath, script, "serve", FUNCTIONS, "--port", "0", "--data"]
  const child = spawn(program, [...args, dataDir], { env: { ...process.env, ...env }, stdio: "pipe" })
  child.stdout.once("data", () => child.kill("SIGTERM"))
  const [out, complaint, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")])
  return { code: code as number | null, complaint, out }
}

describe.skipIf(process.platform === "win32")("other users of the machine", () => {
  it("have no access: folders have mode 700 and files 600, with any umask", async () => {
    for (const umask of [0o000, 0o022, 0o277]) {
      const dataDir = join(temporaryFolder(), "a", "b")
      const backup = join(dataDir, "..", "backup.sqlite")
      await withUmask(umask, async () => {
        const deployment = await deploy({ dataDir, functions: FUNCTIONS })
        await connectHttp(deployment).mutation(api.counters.add, { name: "n" })
        await deployment.backup(backup)
      })
      const modes = modesIn(join(dataDir, ".."))
      for (const name of ["b/data.sqlite", "b/data.sqlite-wal", "b/lock.json", "b/cache", "backup.sqlite"]) {
        assert.property(modes, name)
      }
      for (const [name, mode] of Object.entries(modes)) {
        const expected = statSync(join(dataDir, "..", name)).isDirectory() ? "700" : "600"
        assert.equal(mode, expected, `${name} with umask ${umask.toString(8)}`)
      }
    }
  })

  it("lose access to an open folder, with a warning", async () => {
    const first = await deploy()
    await first.close()
    const { dataDir } = first
    chmodSync(dataDir, 0o755)
    chmodSync(join(dataDir, "data.sqlite"), 0o666)
    const warnings: Array<string> = []
    await deploy({ dataDir, onWarning: (message) => warnings.push(message) })
    assert.lengthOf(warnings, 1)
    assert.include(warnings[0], dataDir)
    assert.equal(modeOf(dataDir), "700")
    assert.equal(modeOf(join(dataDir, "data.sqlite")), "600")
    assert.equal(modeOf(join(dataDir, "data.sqlite-wal")), "600")
  })

  it("keep their access to a folder with other files, which is rejected and not changed", async () => {
    const dataDir = temporaryFolder()
    writeFileSync(join(dataDir, "index.html"), "")
    chmodSync(dataDir, 0o755)
    const error = await refusal({ dataDir })
    assert.equal(error.code, "InvalidOptions")
    assert.match(error.message, /open to other users.*chmod 700/)
    assert.equal(modeOf(dataDir), "755")
    assert.deepEqual(readdirSync(dataDir), ["index.html"])
  })

  it.runIf(isRoot)("cannot place the folder, a file in it, or a link", async () => {
    const plants: Record<string, (dataDir: string, target: string) => void> = {
      "a folder of theirs": (dataDir) => {
        mkdirSync(dataDir, { mode: 0o700 })
        chownSync(dataDir, STRANGER, STRANGER)
      },
      "a link to a folder": (dataDir, target) => {
        symlinkSync(join(target, ".."), dataDir)
        lchownSync(dataDir, STRANGER, STRANGER)
      }
    }
    for (const name of ["data.sqlite", "data.sqlite-wal", "data.sqlite-journal", "lock.json"]) {
      plants[`the file ${name}`] = (dataDir) => {
        mkdirSync(dataDir)
        writeFileSync(join(dataDir, name), "")
        chownSync(join(dataDir, name), STRANGER, STRANGER)
      }
      plants[`the link ${name}`] = (dataDir, target) => {
        mkdirSync(dataDir)
        symlinkSync(target, join(dataDir, name))
        lchownSync(join(dataDir, name), STRANGER, STRANGER)
      }
    }
    for (const [what, plant] of Object.entries(plants)) {
      const dataDir = join(temporaryFolder(), "data")
      const target = join(temporaryFolder(), "target")
      writeFileSync(target, "as it was")
      plant(dataDir, target)
      const error = await refusal({ dataDir })
      assert.equal(error.code, "InvalidOptions", what)
      assert.include(error.message, `another user (uid ${STRANGER})`, what)
      assert.equal(readFileSync(target, "utf8"), "as it was", what)
      assert.deepEqual(readdirSync(join(target, "..")), ["target"], what)
    }
  })

  it.runIf(isRoot)("cannot redirect programs by a record of their own", () => {
    const dataDir = temporaryFolder()
    const record = join(dataDir, "lock.json")
    writeFileSync(record, JSON.stringify({ pid: process.pid, url: "http://127.0.0.1:1" }))
    assert.equal(readHolder(dataDir)?.url, "http://127.0.0.1:1")
    chownSync(record, STRANGER, STRANGER)
    assert.throws(() => readHolder(dataDir), ConvexEmbeddedError)
  })

  it("cannot make files be written through a link", async () => {
    const folder = temporaryFolder()
    const [file, target] = [join(folder, "secret.json"), join(folder, "target")]
    symlinkSync(target, file)
    assert.isNull(createPrivateFile(file))
    const deployment = await deploy()
    const error: unknown = await deployment.backup(file).catch((cause: unknown) => cause)
    assert.instanceOf(error, ConvexEmbeddedError)
    replacePrivateFile(file, "content")
    assert.isFalse(existsSync(target))
    assert.isTrue(lstatSync(file).isFile())
    assert.equal(modeOf(file), "600")
    assert.deepEqual(readdirSync(folder), ["secret.json"])
  })
})

describe.runIf(process.platform === "linux")("a folder that cannot be used", () => {
  it("is reported in one sentence with exit code 78", async () => {
    const file = join(temporaryFolder(), "file")
    writeFileSync(file, "")
    for (const dataDir of [
      "/proc/x",
      "/proc/x/y",
      file,
      join(file, "below"),
      join(temporaryFolder(), "x".repeat(300))
    ]) {
      const { code, complaint } = await serve([], dataDir)
      assert.equal(code, 78, complaint)
      assert.match(complaint, /^The folder .* cannot be used: .*\n$|^.* is not a folder\. .*\n$/)
    }
  })

  it("for lack of space is reported in one sentence with exit code 75", async (test) => {
    const dataDir = temporaryFolder()
    const script = 'mount -t tmpfs -o size="$0" tmpfs "$1" && shift && exec "$@"'
    const mounted = (size: string) => [
      "unshare",
      "--user",
      "--map-root-user",
      "--mount",
      "sh",
      "-c",
      script,
      size,
      dataDir
    ]
    try {
      execFileSync("unshare", ["--user", "--map-root-user", "--mount", "true"], { stdio: "ignore" })
    } catch {
      return test.skip()
    }
    for (const size of ["4k", "16k"]) {
      const { code, complaint } = await serve(mounted(size), dataDir)
      assert.equal(code, 75, complaint)
      // The mounted folder is open at first, which is another sentence.
      assert.match(
        complaint,
        /^(.* Its mode is 700 .*\n)?The .*: the disk is full\. Free some space, and start again\.\n$/
      )
    }
  })

  it("that does not support hard links can be used", async (test) => {
    const folder = temporaryFolder()
    const library = join(folder, "nolink.so")
    const source = "int link(const char *a, const char *b) { errno = ENOTSUP; return -1; }"
    writeFileSync(join(folder, "nolink.c"), `#include <errno.h>\n${source}\n`)
    try {
      execFileSync("cc", ["-shared", "-fPIC", "-o", library, join(folder, "nolink.c")], { stdio: "ignore" })
    } catch {
      return test.skip()
    }
    const { code, out } = await serve([], join(folder, "data"), { LD_PRELOAD: library })
    assert.match(out, /^Serving /)
    assert.equal(code, 0)
  })

  it("is not made private if it has other files; a new one is, with its parents", () => {
    const folder = temporaryFolder()
    assert.isNull(makePrivateFolder(join(folder, "a/b"), () => false))
    assert.deepEqual(modesIn(join(folder, "a")), { ".": "700", b: "700" })
  })
})
