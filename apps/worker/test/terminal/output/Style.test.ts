import { assert, describe, it } from "@effect/vitest"
import { colored, plain, styleFor } from "../../../src/terminal/output/Style.ts"

describe("colours", () => {
  // vshulcz/deja-vu#903, colbymchenry/codegraph#1306, codecrafters-io/cli#10.
  it.each([
    [true, {}, colored],
    [true, { NO_COLOR: "1" }, plain],
    [true, { NO_COLOR: "" }, colored],
    [true, { TERM: "dumb" }, plain],
    [true, { TERM: "dumb", FORCE_COLOR: "1" }, plain],
    [false, {}, plain]
  ])("at a terminal (%s) with %o", (isTerminal, environment, style) => {
    assert.strictEqual(styleFor(isTerminal, environment), style)
  })
})
