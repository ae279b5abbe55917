import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

/** A module of the functions folder that Convex must find at the top of an app's folder. */
export interface FunctionModule {
  readonly name: string
  /** Whether it begins with `"use node"`, which Convex reads from the app's own file. */
  readonly useNode: boolean
}

const isFunction = (value: unknown) =>
  typeof value === "function" && ["isQuery", "isMutation", "isAction"].some((kind) => kind in value)

/** The modules of a folder that register queries, mutations or actions, by name. */
export const functionModules = async (folder: string): Promise<ReadonlyArray<FunctionModule>> => {
  const files = readdirSync(folder)
    .filter((file) => /^\w+\.[jt]s$/.test(file))
    .toSorted()
  const found = await Promise.all(
    files.map(async (file) => {
      const path = join(folder, file)
      const exports: Readonly<Record<string, unknown>> = await import(pathToFileURL(path).href)
      const useNode = readFileSync(path, "utf8").startsWith('"use node"')
      return Object.values(exports).some(isFunction) ? [{ name: file.replace(/\.[jt]s$/, ""), useNode }] : []
    })
  )
  return found.flat()
}
