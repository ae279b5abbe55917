/** A world with snapshots: without them OpenCode reports no changed files. */
import { layer } from "@effect/vitest"
import { worldWith } from "../support/world.ts"
import { partsTests } from "./parts.ts"
import { sessionControlTests } from "./sessionControl.ts"

layer(worldWith({}, true), { excludeTestServices: true, timeout: 120_000 })("a world with snapshots", (it) => {
  for (const tests of [partsTests, sessionControlTests]) tests(it)
})
