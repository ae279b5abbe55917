/**
 * References to functions by their path, as `anyApi` of `convex/server`. That module defines tables, crons and routes, too, and
 * its import takes half as long as that of the client.
 */

/** References of every copy of Convex carry the name under this key. */
const functionName = Symbol.for("functionName")

/** `anyReference().notes.list` refers to `notes:list`. */
export const anyReference = (path: ReadonlyArray<string> = []): unknown =>
  new Proxy(
    {},
    {
      get: (_, property) => {
        if (typeof property === "string") return anyReference([...path, property])
        return property === functionName ? `${path.slice(0, -1).join("/")}:${path.at(-1)}` : undefined
      }
    }
  )
