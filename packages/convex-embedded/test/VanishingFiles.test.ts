/** SQLite deletes its journal and its log while another start looks at them. */
import { once } from "node:events"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { assert, it, onTestFinished } from "vitest"
import { keepPrivate } from "../src/internal/storage/data-file.ts"
import { temporaryFolder } from "./deployment.ts"

it("a file that another process deletes during the check counts as absent", async () => {
  const file = join(temporaryFolder(), "data.sqlite")
  // Open to others, so that the check changes its mode.
  const source = `const { closeSync, openSync, rmSync } = require("node:fs")
    const { parentPort, workerData } = require("node:worker_threads")
    parentPort.postMessage("started")
    for (;;) {
      closeSync(openSync(workerData, "w", 0o666))
      rmSync(workerData)
    }`
  const worker = new Worker(source, { eval: true, workerData: `${file}-journal` })
  onTestFinished(async () => {
    await worker.terminate()
  })
  await once(worker, "message")
  assert.doesNotThrow(() => {
    for (let checks = 0; checks < 10_000; checks++) keepPrivate(file)
  })
})
