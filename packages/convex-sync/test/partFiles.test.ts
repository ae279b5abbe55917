import { assert, describe, it } from "vitest"
import { filesIn, replaceUrls } from "../src/internal/turns/partFiles.ts"

const part = (index: number, payload: unknown) => ({ index, kind: "tool", payload: JSON.stringify(payload) })
const image = "data:image/png;base64,iVBORw=="

describe("files in parts", () => {
  it("are found at any depth, each once, with the name and type that they have", () => {
    const files = filesIn([
      part(0, { type: "file", mime: "image/png", filename: "shot.png", url: image }),
      part(1, {
        state: { attachments: [{ url: image }, { filename: "a\u0007b", url: "data:Text/Plain;charset=utf-8,a%20b" }] }
      }),
      part(2, { url: "data:;base64,AA==" }),
      part(3, { url: "data:evil type/<x>,%" })
    ])
    assert.deepStrictEqual(
      files.map(({ bytes, name, type }) => [name, type, Buffer.from(bytes).toString("latin1")]),
      [
        ["shot.png", "image/png", "\u0089PNG"],
        ["a b", "text/plain", "a b"],
        ["file.octet-stream", "application/octet-stream", "\0"],
        ["file.octet-stream", "application/octet-stream", "%"]
      ]
    )
  })

  it("are replaced, and everything else stays", () => {
    const other = part(1, { url: "https://example.com", text: image, nested: { url: 1 } })
    const [first, second] = replaceUrls([part(0, { a: 1, url: image }), other], new Map([[image, "storage:1"]]))
    assert.deepStrictEqual(JSON.parse(first?.payload ?? ""), { a: 1, url: "storage:1" })
    assert.deepStrictEqual(second, other)
    assert.deepStrictEqual(filesIn([other]), [])
  })
})
