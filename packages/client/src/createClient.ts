import { makeClient, type Client } from "./Client.ts"
import { connect, type ConnectOptions } from "./Connection.ts"

/**
 * Connects in the background. `await using` closes the connection.
 *
 * @example
 * await using client = createClient({ url, auth })
 * const turn = client.prompt(sessionId, "Say hello.")
 * for await (const view of turn) render(view)
 * const { end } = await turn.result
 */
export const createClient = (options: ConnectOptions): Client => makeClient(connect(options))
