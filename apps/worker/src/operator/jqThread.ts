/** The thread of one jq filter. The bundle has it as a file of its own, next to the program. */
import { parentPort, workerData } from "node:worker_threads"
import { raw } from "jq-wasm"

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
parentPort?.postMessage(await raw(workerData.json, workerData.filter, ["-r", "-c"]))
