import { defineSchema } from "convex/server"
import { tables } from "./tables.ts"

export default defineSchema({ ...tables })
