import { randomUUID } from "node:crypto"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"
import { processesOf, residentBytes, signal, startProcess, until } from "../src/index.ts"

const PATH = process.env["PATH"] ?? ""
const node = (source: string, environment: Readonly<Record<string, string>> = {}) =>
  startProcess({ program: process.execPath, args: ["--eval", source], environment: { PATH, ...environment } })

const messageOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "",
    (cause: unknown) => (cause instanceof Error ? cause.message : "")
  )

describe("a process", () => {
  it("has its code and its whole output at its end", async () => {
    const running = node(`console.log("out"); console.error("err"); process.exitCode = 3`)
    assert.deepEqual(await running.ended, { code: 3, stdout: "out\n", stderr: "err\n" })
    assert.isFalse(running.isAlive())
  })

  it("prints what is waited for, in either stream, also before the wait", async () => {
    await using running = node(`console.log("port 12"); console.error("warned"); setInterval(() => {}, 1000)`)
    assert.equal((await running.prints(/port (\d+)/))[1], "12")
    const match = await running.prints(/port/)
    assert.isAbove(running.timeOf(match), 0)
    await running.prints(/warned/, "stderr")
    assert.isTrue(running.isAlive())
  })

  it("fails a wait for output when it ends without it, with what it printed", async () => {
    const message = await messageOf(node(`console.log("something else")`).prints(/Ready/))
    assert.include(message, "ended without /Ready/")
    assert.include(message, "something else")
  })

  it("ends by a signal, and by its disposal", async () => {
    const ended = node("setInterval(() => {}, 1000)")
    await ended.end("SIGKILL")
    assert.isFalse(ended.isAlive())
    let pid = 0
    {
      await using disposed = node("setInterval(() => {}, 1000)")
      pid = disposed.pid
    }
    assert.throws(() => process.kill(pid, 0), "ESRCH")
    // A signal to a process that has ended is no error.
    signal(pid, "SIGTERM")
  })

  it("ends with the process that started it", async () => {
    const fixture = fileURLToPath(new URL("fixtures/parent.ts", import.meta.url))
    const parent = startProcess({
      program: process.execPath,
      args: ["--conditions=@opencode-worker/source", fixture],
      environment: { PATH }
    })
    const { code, stderr, stdout } = await parent.ended
    assert.equal(code, 0, stderr)
    const pid = Number(stdout)
    assert.isAbove(pid, 0)
    await until(async () => (await residentBytes(pid)) === 0, "the end of the child")
  })
})

describe.runIf(process.platform === "linux")("processes of a home", () => {
  it("are found by their environment, wherever they are in the tree, until they end", async () => {
    const home = `/nowhere/${randomUUID()}`
    const source = `require("node:child_process").spawn("sleep", ["600"], { stdio: "ignore" }); setInterval(() => {}, 1000)`
    await using running = node(source, { HOME: home })
    await until(async () => (await processesOf(home)).length === 2, "the process and its child")
    const found = await processesOf(home)
    assert.include(
      found.map(({ pid }) => pid),
      running.pid
    )
    const child = found.find(({ pid }) => pid !== running.pid)
    assert.match(child?.command ?? "", /^sleep 600 /)
    assert.isAbove(await residentBytes(running.pid), 1_000_000)
    signal(child?.pid ?? 0, "SIGKILL")
    await running.end("SIGKILL")
    await until(async () => (await processesOf(home)).length === 0, "their end")
    assert.equal(await residentBytes(running.pid), 0)
  })
})
