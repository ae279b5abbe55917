/**
 * A relay between a client and its deployment. It forwards messages and counts calls by function, and bytes.
 */
import { once } from "node:events"
import { WebSocket, WebSocketServer } from "ws"

/** Traffic of a client since the last call of `take`. */
export interface Traffic {
  /** Mutations, by the name of the function. */
  readonly mutations: Readonly<Record<string, number>>
  /** Results of queries that were sent to the client, updates included, by the name of the function. */
  readonly results: Readonly<Record<string, number>>
  /** Bytes of the client's messages. */
  readonly bytes: number
  /** Bytes of the deployment's messages. */
  readonly received: number
  /** Bytes of its mutations, by the name of the function. */
  readonly mutationBytes: Readonly<Record<string, number>>
}

interface Message {
  readonly type: string
  readonly udfPath?: string
  readonly modifications?: ReadonlyArray<{ readonly type: string; readonly queryId: number; readonly udfPath?: string }>
}

const read: (text: string) => Message = JSON.parse

const nothing = () => ({
  mutations: {} as Record<string, number>,
  results: {} as Record<string, number>,
  bytes: 0,
  received: 0,
  mutationBytes: {} as Record<string, number>
})
const add = (counts: Record<string, number>, name = "?", count = 1) => (counts[name] = (counts[name] ?? 0) + count)

/** A relay to the deployment at `target`, on a free port. */
export const openRelay = async (target: string) => {
  let traffic = nothing()
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false })
  await once(server, "listening")

  const relay = (client: WebSocket, path: string) => {
    const deployment = new WebSocket(target.replace(/^http/, "ws") + path, { perMessageDeflate: false })
    const queries = new Map<number, string>()
    const fromClient = (data: Buffer) => {
      const text = data.toString("utf8")
      traffic.bytes += data.byteLength
      const { modifications = [], type, udfPath } = read(text)
      if (type === "Mutation") {
        add(traffic.mutations, udfPath)
        add(traffic.mutationBytes, udfPath, data.byteLength)
      }
      for (const query of modifications) if (query.udfPath !== undefined) queries.set(query.queryId, query.udfPath)
      deployment.send(text)
    }
    const fromDeployment = (data: Buffer) => {
      const text = data.toString("utf8")
      traffic.received += data.byteLength
      client.send(text)
      const { modifications = [] } = read(text)
      for (const { queryId, type } of modifications) {
        if (type === "QueryUpdated") add(traffic.results, queries.get(queryId))
      }
    }
    client.pause()
    deployment.once("open", () => client.resume())
    client.on("message", fromClient)
    deployment.on("message", fromDeployment)
    for (const [one, other] of [
      [client, deployment],
      [deployment, client]
    ] as const) {
      one.on("close", () => other.terminate())
      one.on("error", () => other.terminate())
    }
  }
  server.on("connection", (client, request) => relay(client, request.url ?? "/"))

  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("The relay listens on no port")
  return {
    url: `http://127.0.0.1:${address.port}`,
    /** Traffic since the last call. */
    take: (): Traffic => {
      const taken = traffic
      traffic = nothing()
      return taken
    },
    close: () => {
      for (const client of server.clients) client.terminate()
      server.close()
    }
  }
}
