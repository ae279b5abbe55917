import { expect, it } from "vitest"
import { closure } from "../build/budget.ts"

it("counts each chunk that the first screen imports statically, once", () => {
  const chunks = new Map([
    ["index", { code: "", imports: ["react", "shared"] }],
    ["inbox", { code: "", imports: ["shared"] }],
    ["shared", { code: "", imports: ["react"] }],
    ["react", { code: "", imports: [] }],
    ["lazy", { code: "", imports: ["shared"] }]
  ])
  expect([...closure(chunks, ["index", "inbox"])].toSorted()).toEqual(["inbox", "index", "react", "shared"])
})
