/** `convex-test` in its own process, so that no other contender collects its garbage. */
import { anyApi } from "convex/server"
import { convexTest } from "convex-test"
import schema from "./convex/schema.ts"
import { fill, measurePart, type Part } from "./operations.ts"

const api = anyApi["documents"]!
const test = convexTest(schema, {
  "./convex/_generated/api.js": () => Promise.resolve({}),
  "./convex/documents.ts": () => import("./convex/documents.ts"),
  "./convex/schema.ts": () => import("./convex/schema.ts")
})
const query = (name: string, args: Record<string, unknown>) => test.query(api[name]!, args)
const subject = {
  query,
  queryBySocket: query,
  mutation: (name: string, args: Record<string, unknown>) => test.mutation(api[name]!, args)
}

await fill(subject, Number(process.argv[2]))
process.on("message", (part: Part) => void measurePart(subject, part).then((times) => process.send?.(times)))
process.on("disconnect", () => process.exit())
process.send?.([])
