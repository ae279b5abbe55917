import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it, onTestFinished } from "vitest"

const root = join(import.meta.dirname, "..")
const contents = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]))

it("the committed references equal the output of the generator", () => {
  const copy = mkdtempSync(join(tmpdir(), "convex-codegen-"))
  onTestFinished(() => rmSync(copy, { recursive: true }))
  for (const name of ["convex", "convex.json", "package.json"])
    cpSync(join(root, name), join(copy, name), { recursive: true })
  rmSync(join(copy, "convex/_generated"), { recursive: true })
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
  const [command, ...args] = scripts.codegen.split(" ")
  assert.strictEqual(command, "convex")
  execFileSync(process.execPath, [join(root, "node_modules/convex/bin/main.js"), ...args], { cwd: copy, stdio: "pipe" })
  assert.deepStrictEqual(contents(join(copy, "convex/_generated")), contents(join(root, "convex/_generated")))
})
