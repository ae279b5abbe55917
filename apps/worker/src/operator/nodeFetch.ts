/** A `fetch` for small requests. The global one takes 60 ms of processor time at its first use, and this one takes 10. */
import type { HttpFetch } from "@opencode-worker/client/http"

/** `millis`: a deployment that is silent for this time does not respond. */
export const nodeFetchWithin =
  (millis: number): HttpFetch =>
  (url, { body, ...options }) =>
    new Promise((resolve, reject) => {
      // An `import` of them loads the global `fetch`.
      const { request } = process.getBuiltinModule(url.startsWith("https:") ? "node:https" : "node:http")
      const sent = request(url, { ...options, timeout: millis }, (response) => {
        const chunks: Array<Uint8Array> = []
        response.on("data", (chunk: Uint8Array) => chunks.push(chunk))
        response.on("error", reject)
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString("utf8")
          resolve({ status: response.statusCode ?? 0, text: () => Promise.resolve(text) })
        })
      })
      sent.on("error", reject)
      sent.on("timeout", () => sent.destroy(new Error(`it did not respond within ${millis / 1000} s`)))
      // Without a listener, Node.js would close the connection and report nothing.
      sent.on("upgrade", (_, socket) => {
        socket.destroy()
        reject(new Error("it switched to another protocol"))
      })
      sent.end(body)
    })

export const nodeFetch = nodeFetchWithin(30_000)
