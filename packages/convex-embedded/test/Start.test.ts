import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { assert, describe, it, onTestFinished } from "vitest"
import { ConvexEmbedded, ConvexEmbeddedError, type ConvexEmbeddedOptions } from "../src/index.ts"
import { findHolder } from "../src/Holder.ts"
import { readHolder } from "../src/internal/storage/holder.ts"
import { connectHttp, deploy, FUNCTIONS, temporaryFolder } from "./deployment.ts"
import { api } from "./fixtures/convex/_generated/api.js"

const refusal = async (options: Partial<ConvexEmbeddedOptions>): Promise<ConvexEmbeddedError> => {
  try {
    await deploy(options)
  } catch (cause) {
    assert.instanceOf(cause, ConvexEmbeddedError)
    return cause
  }
  throw new Error("It should not have started")
}

const folderWith = (files: Record<string, string>): string => {
  const folder = temporaryFolder()
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return folder
}

/** A data file that says of itself that it has another format: SQLite keeps the number at byte 60. */
const inFormat = (file: Buffer, format: number): Buffer => {
  const changed = Buffer.from(file)
  changed.writeUInt32BE(format, 60)
  return changed
}

/** A page as the log of SQLite has it last: a header of 32 bytes, then a header of 24 bytes before each page. */
const lastInLog = (log: Buffer, page: number): Buffer => {
  const pageSize = log.readUInt32BE(8)
  const starts = Array.from(
    { length: Math.floor((log.length - 32) / (24 + pageSize)) },
    (_, i) => 32 + i * (24 + pageSize)
  )
  const start = starts.findLast((at) => log.readUInt32BE(at) === page)!
  return Buffer.from(log.subarray(start + 24, start + 24 + pageSize))
}

/** The log that a process leaves that is killed after one more mutation, before it brings the log into the data file. */
const logAfter = async (dataDir: string): Promise<Buffer> => {
  await connectHttp(await deploy({ dataDir })).mutation(api.counters.add, { name: "n" })
  return readFileSync(join(dataDir, "data.sqlite-wal"))
}

describe("start", () => {
  it("keeps data and increasing timestamps across restarts", async () => {
    const first = await deploy()
    await connectHttp(first).mutation(api.counters.add, { name: "n" })
    const before = await connectHttp(first).mutation(api.misc.commitTime, {})
    await first.close()
    const second = await deploy({ dataDir: first.dataDir })
    assert.equal(await connectHttp(second).query(api.counters.read, { name: "n" }), 1)
    assert.isTrue((await connectHttp(second).mutation(api.misc.commitTime, {})) > before)
  })

  it("reports a port in use, and leaves nothing running", async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const dataDir = temporaryFolder()
    const error = await refusal({ dataDir, port })
    assert.equal(error.code, "PortInUse")
    assert.include(error.message, String(port))
    assert.isNull(readHolder(dataDir))
    await deploy({ dataDir })
  })

  it("reports the process that holds a data folder in use", async () => {
    const deployment = await deploy()
    assert.deepEqual(readHolder(deployment.dataDir), { pid: process.pid, url: deployment.url })
    assert.deepEqual(findHolder(deployment.dataDir), { pid: process.pid, url: deployment.url })
    const error = await refusal({ dataDir: deployment.dataDir })
    assert.equal(error.code, "DataInUse")
    assert.include(error.message, String(process.pid))
    assert.include(error.message, deployment.url)
    assert.deepEqual(error.holder, { pid: process.pid, url: deployment.url })
    await deployment.close()
    assert.isNull(readHolder(deployment.dataDir))
    // The record of a killed process: the data file is not locked.
    writeFileSync(join(deployment.dataDir, "lock.json"), JSON.stringify({ pid: process.pid, url: deployment.url }))
    assert.isNull(findHolder(deployment.dataDir))
  })

  it("takes over the record of a dead process, and its cache", async () => {
    const dead = spawn(process.execPath, ["-e", ""])
    await once(dead, "exit")
    for (const record of [
      { pid: dead.pid, url: "http://127.0.0.1:1" },
      { pid: process.pid, url: "http://127.0.0.1:1" },
      "not even JSON"
    ]) {
      const text = typeof record === "string" ? record : JSON.stringify(record)
      const dataDir = folderWith({ "cache/1-1/0/a.mjs": "", "lock.json": text })
      const deployment = await deploy({ dataDir })
      assert.equal(readHolder(dataDir)?.url, deployment.url)
      assert.notInclude(readdirSync(join(dataDir, "cache")), "1-1")
    }
  })

  it("of several concurrent starts on one folder exactly one locks it and serves, and keeps its cache", async () => {
    const dataDir = temporaryFolder()
    const locked: Array<number> = []
    const attempt = (_: unknown, at: number) => deploy({ dataDir, onLocked: () => locked.push(at) })
    const starts = await Promise.allSettled(Array.from({ length: 4 }, attempt))
    assert.deepEqual(
      locked,
      starts.flatMap(({ status }, at) => (status === "fulfilled" ? [at] : []))
    )
    const [serving, ...others] = starts.filter(({ status }) => status === "fulfilled")
    assert.isEmpty(others)
    for (const start of starts) {
      if (start.status === "rejected") assert.equal((start.reason as ConvexEmbeddedError).code, "DataInUse")
    }
    const { url } = (serving as PromiseFulfilledResult<{ readonly url: string }>).value
    assert.lengthOf(readdirSync(join(dataDir, "cache")), 1)
    assert.equal((await refusal({ dataDir })).holder?.url, url)
    assert.lengthOf(readdirSync(join(dataDir, "cache")), 1)
    assert.equal(await connectHttp({ url }).mutation(api.counters.add, { name: "n" }), 1)
  })

  it("reports a damaged, truncated or foreign data file, and does not change it", async () => {
    const source = await deploy()
    await connectHttp(source).mutation(api.messages.sendMany, { channel: "c", count: 500 })
    await source.close()
    const good = readFileSync(join(source.dataDir, "data.sqlite"))
    const log = await logAfter(source.dataDir)
    const damage: Record<string, (file: string) => void> = {
      "a page overwritten": (file) => writeFileSync(file, Buffer.from(good).fill(0x5a, 8192, 20_480)),
      "a page overwritten, with a log": (file) => {
        writeFileSync(file, Buffer.from(good).fill(0x5a, 8192, 20_480))
        writeFileSync(`${file}-wal`, log)
      },
      "cut short": (file) => {
        writeFileSync(file, good)
        truncateSync(file, good.length / 2)
      },
      foreign: (file) => writeFileSync(file, "This is a text."),
      "of an older version": (file) => writeFileSync(file, inFormat(good, 1)),
      "of a newer version": (file) => writeFileSync(file, inFormat(good, 1000))
    }
    for (const [what, make] of Object.entries(damage)) {
      const dataDir = temporaryFolder()
      const file = join(dataDir, "data.sqlite")
      make(file)
      const before = readFileSync(file)
      const hasLog = existsSync(`${file}-wal`)
      const error = await refusal({ dataDir })
      assert.equal(error.code, "DataCorrupt", what)
      assert.include(error.message, file)
      if (what.startsWith("of a")) assert.include(error.message, `written by ${what.slice(3)}`)
      assert.isTrue(readFileSync(file).equals(before), what)
      if (hasLog) assert.isTrue(readFileSync(`${file}-wal`).equals(log), what)
      assert.isFalse(existsSync(join(dataDir, "lock.json")))
    }
  })

  it("loses nothing if the process is killed during a checkpoint", async () => {
    const empty = await deploy()
    await empty.close()
    const [dataDir, file] = [temporaryFolder(), join(empty.dataDir, "data.sqlite")]
    const copy = join(dataDir, "data.sqlite")
    const before = readFileSync(file)
    await connectHttp(await deploy({ dataDir: empty.dataDir })).mutation(api.messages.sendMany, {
      channel: "c",
      count: 500
    })
    const log = readFileSync(`${file}-wal`)
    // Its first page, which says how large it is, has arrived; the others that are new have not.
    writeFileSync(copy, before)
    writeFileSync(`${copy}-wal`, log)
    const first = lastInLog(log, 1)
    assert.isAbove(first.readUInt32BE(28) * first.length, before.length)
    writeFileSync(copy, Buffer.concat([first, before.subarray(first.length)]))
    const found = await connectHttp(await deploy({ dataDir })).query(api.messages.list, { channel: "c" })
    assert.lengthOf(found, 500)
  })

  it("reports a large truncated data file, also after a kill, and does not change it", async () => {
    const deployed = await deploy()
    for (let i = 0; i < 2; i++) await connectHttp(deployed).mutation(api.misc.putLarge, { count: 8 })
    await deployed.close()
    const file = join(deployed.dataDir, "data.sqlite")
    const data = readFileSync(file)
    assert.isAbove(data.length, 16 * 1024 * 1024)
    const log = await logAfter(deployed.dataDir)
    const killed = (size: number) => {
      const dataDir = temporaryFolder()
      const copy = join(dataDir, "data.sqlite")
      writeFileSync(copy, data.subarray(0, size))
      writeFileSync(`${copy}-wal`, log)
      return { copy, dataDir }
    }
    for (const size of [data.length / 2, data.length - 1024 * 1024, data.length - 40_000]) {
      const { copy, dataDir } = killed(size)
      const error = await refusal({ dataDir })
      assert.equal(error.code, "DataCorrupt")
      assert.include(error.message, `is cut short (${size} of `)
      assert.isTrue(readFileSync(copy).equals(data.subarray(0, size)))
      assert.isTrue(readFileSync(`${copy}-wal`).equals(log))
    }
    const whole = await deploy({ dataDir: killed(data.length).dataDir })
    assert.equal(await connectHttp(whole).query(api.counters.read, { name: "n" }), 1)
  })

  it("reports missing and invalid functions", async () => {
    const missing = await refusal({ functions: "/nowhere/convex" })
    assert.equal(missing.code, "FunctionsNotFound")
    assert.include(missing.message, "/nowhere/convex")
    for (const empty of [folderWith({ "readme.md": "" }), join(FUNCTIONS, "schema.ts")]) {
      assert.equal((await refusal({ functions: empty })).code, "FunctionsNotFound")
    }

    const wrong = {
      "broken.js": "export const a = ;",
      "schema.ts": "export default { export: () => { throw new Error('bad schema') } }",
      "throws.ts": "throw new Error('at load')",
      "unresolved.ts": 'import "./nothing"'
    }
    for (const [name, text] of Object.entries(wrong)) {
      const error = await refusal({ functions: folderWith({ [name]: text }) })
      assert.equal(error.code, "InvalidFunctions", name)
      assert.match(error.message, /bad schema|at load|Could not resolve "\.\/nothing"|[Uu]nexpected|expression/i, name)
    }
  })

  it("checks options first", async () => {
    const wrong: Array<[Partial<ConvexEmbeddedOptions>, string]> = [
      [{ port: 70_000 }, "port"],
      [{ port: 1.5 }, "port"],
      [{ functions: "" }, "functions"],
      [{ userTimeLimit: 0 }, "userTimeLimit"],
      [{ durability: "none" as never }, "durability"],
      [{ host: "256.0.0.1" }, "256.0.0.1"],
      [{ dataDir: join(FUNCTIONS, "schema.ts", "data") }, "schema.ts"],
      [{ dataDir: folderWith({ "lock.json/file": "" }) }, "lock.json"],
      [{ dataDir: folderWith({ "data.sqlite/file": "" }) }, "data.sqlite"]
    ]
    for (const [options, named] of wrong) {
      const error = await refusal(options)
      assert.equal(error.code, "InvalidOptions", named)
      assert.include(error.message, named)
    }
  })

  it("close ends the deployment although its record cannot be removed, and rejects with the reason", async () => {
    const dataDir = temporaryFolder()
    const deployment = await ConvexEmbedded.make({ dataDir, functions: FUNCTIONS })
    const record = join(dataDir, "lock.json")
    rmSync(record)
    mkdirSync(record)
    const ended = await deployment.close().then(
      () => "closed",
      (cause: Error) => cause.message
    )
    assert.include(ended, record)
    assert.isNull(await fetch(`${deployment.url}/version`).catch(() => null))
    rmSync(record, { recursive: true })
    await (await deploy({ dataDir })).close()
  })

  it("close is idempotent, and disposal closes", async () => {
    const dataDir = temporaryFolder()
    {
      await using deployment = await ConvexEmbedded.make({ dataDir, functions: FUNCTIONS })
      assert.match(deployment.url, /^http:\/\/127\.0\.0\.1:\d+$/)
      await Promise.all([deployment.close(), deployment.close()])
    }
    assert.isNull(readHolder(dataDir))
  })

  it("a backup is a separate data file, as of one commit", async () => {
    const source = await deploy()
    const client = connectHttp(source)
    await client.mutation(api.counters.add, { name: "n" })
    const dataDir = temporaryFolder()
    const file = join(dataDir, "data.sqlite")
    await source.backup(file)
    await client.mutation(api.counters.add, { name: "n" })
    const copy = connectHttp(await deploy({ dataDir }))
    assert.equal(await copy.query(api.counters.read, { name: "n" }), 1)
    assert.equal(await client.query(api.counters.read, { name: "n" }), 2)
    const again = await source.backup(file).catch((cause: unknown) => cause)
    assert.instanceOf(again, ConvexEmbeddedError)
    assert.include(again.message, file)
  })
})
