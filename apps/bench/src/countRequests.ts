/** Counts the HTTP requests of this process to paths that begin with `path`, until disposal. */
import { subscribe, unsubscribe } from "node:diagnostics_channel"

/** Of `node:http`, and of the global `fetch`. */
const channels = ["http.client.request.created", "undici:request:create"]

export const countRequests = (path: string) => {
  const counted = { count: 0 }
  const onRequest = (message: unknown) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- documented by Node.js and by undici
    const { request } = message as { readonly request: { readonly path: string } }
    if (request.path.startsWith(path)) counted.count++
  }
  for (const channel of channels) subscribe(channel, onRequest)
  const dispose = () => {
    for (const channel of channels) unsubscribe(channel, onRequest)
  }
  return Object.assign(counted, { [Symbol.dispose]: dispose })
}

export type RequestCount = ReturnType<typeof countRequests>
