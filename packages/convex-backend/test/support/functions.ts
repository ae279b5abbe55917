/** The public functions of the folder, as a deployment finds them: by walking all modules. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { functionsDir } from "../../src/index.ts"

interface Registered {
  readonly isPublic: true
  readonly isQuery?: true
  readonly isAction?: true
  readonly callableBy?: string
  readonly exportArgs: () => string
}

const isPublic = (value: unknown): value is Registered =>
  typeof value === "function" && "isPublic" in value && value.isPublic === true

export const publicFunctions = async () => {
  const names = readdirSync(functionsDir).filter((name) => name.endsWith(".ts"))
  const modules = await Promise.all(
    names.map(async (name): Promise<[string, Record<string, unknown>]> => [
      name,
      await import(join(functionsDir, name))
    ])
  )
  return modules.flatMap(([name, module]) =>
    Object.entries(module).flatMap(([exported, value]) => {
      if (!isPublic(value)) return []
      const { value: fields } = JSON.parse(value.exportArgs())
      const texts = Object.keys(fields).filter((field) => fields[field].fieldType.type === "string")
      const path = `${name.replace(".ts", "")}:${exported}`
      const kind = value.isQuery === true ? "query" : value.isAction === true ? "action" : "mutation"
      return [{ path, kind, caller: value.callableBy, args: Object.keys(fields), texts }]
    })
  )
}
