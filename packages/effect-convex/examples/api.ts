/** Your own app imports this from `convex/_generated/api`. */
import { anyApi, type ApiFromModules } from "convex/server"
import type * as messages from "./convex/messages.ts"

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `anyApi` creates any reference
export const api = anyApi as unknown as ApiFromModules<{ messages: typeof messages }>
