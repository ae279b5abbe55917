/** The public functions of the folder, as a deployment finds them: by walking all modules. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { functionsDir } from "../../src/index.ts"

interface Registered {
  readonly isPublic: true
  readonly isQuery?: true
  readonly isAction?: true
  readonly callableBy?: string
  readonly scope?: string
  readonly exportArgs: () => string
}

const isPublic = (value: unknown): value is Registered =>
  typeof value === "function" && "isPublic" in value && value.isPublic === true

type Validator =
  | { readonly type: "object"; readonly value: Record<string, { readonly fieldType: Validator }> }
  | { readonly type: "array"; readonly value: Validator }
  | { readonly type: "union"; readonly value: ReadonlyArray<Validator> }
  | { readonly type: "string" | "number" | "id" | "literal" | "boolean" | "null" }

/** Where text may be, as keys divided by dots; what is in a list has the key 0. Alternatives that have fields are left out. */
const textsIn = (validator: Validator, path = ""): Array<string> => {
  const at = (key: string) => (path === "" ? key : `${path}.${key}`)
  if (validator.type === "string") return [path]
  if (validator.type === "array") return textsIn(validator.value, at("0"))
  if (validator.type === "union") return validator.value.some(({ type }) => type === "string") ? [path] : []
  if (validator.type !== "object") return []
  return Object.entries(validator.value).flatMap(([key, { fieldType }]) => textsIn(fieldType, at(key)))
}

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
      const validator = JSON.parse(value.exportArgs())
      const path = `${name.replace(".ts", "")}:${exported}`
      const kind = value.isQuery === true ? "query" : value.isAction === true ? "action" : "mutation"
      const { callableBy: caller, scope } = value
      return [{ path, kind, caller, scope, args: Object.keys(validator.value), texts: textsIn(validator) }]
    })
  )
}
