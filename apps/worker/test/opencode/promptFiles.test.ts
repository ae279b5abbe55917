import { assert, describe, it } from "@effect/vitest"
import { ModelCatalog } from "@opencode-worker/model-cache"
import { Result } from "effect"
import { acceptedFiles } from "../../src/opencode/promptFiles.ts"

const model = ModelCatalog.model({
  providerID: "p",
  modelID: "m",
  name: "M",
  capabilities: { input: { image: true, pdf: false } }
})
const file = (name: string, type: string, content = "text") => ({ name, type, bytes: Buffer.from(content, "latin1") })
const checked = (given: ReturnType<typeof file>, by: ModelCatalog.Model | undefined = model) =>
  Result.match(acceptedFiles([given], by), {
    onSuccess: ([accepted]) => accepted?.type,
    onFailure: ({ message }) => message
  })

describe("the files of a prompt", () => {
  it("are sent as they are if the model accepts them, and refused with its name if not", () => {
    assert.strictEqual(checked(file("a.png", "image/png")), "image/png")
    assert.include(checked(file("a.pdf", "application/pdf")), "p/m does not accept PDF files, so a.pdf was not sent")
    assert.include(checked(file("a.mp3", "audio/mpeg")), "p/m does not accept audio")
  })

  it("are sent unchecked if the model is not known", () => {
    const result = acceptedFiles([file("a.pdf", "application/pdf")], undefined)
    assert.isTrue(Result.isSuccess(result))
  })

  it("are plain text if they are text, whatever their type, and refused if no model reads them", () => {
    for (const type of ["text/x-python", "application/json", "image/svg+xml", "application/octet-stream"]) {
      assert.strictEqual(checked(file("a", type)), "text/plain")
    }
    assert.include(
      checked(file("a.zip", "application/zip", "PK\0")),
      "No model reads files of the type application/zip"
    )
    assert.include(checked(file("a.bin", "text/plain", "\xff\xfe")), "No model reads files of the type text/plain")
  })
})
