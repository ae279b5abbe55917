/** The paths that name functions. */

/** Normalises `module.js:name`, `module:name` and `module` (its default export) to `module:name`. */
export const canonicalPath = (path: string): string => {
  const colon = path.lastIndexOf(":")
  const [module, name] = colon === -1 ? [path, "default"] : [path.slice(0, colon), path.slice(colon + 1)]
  return `${module.replace(/\.[cm]?[jt]sx?$/, "")}:${name}`
}

/** The function argument of `ctx.run…` and of the scheduler. */
export interface FunctionAddress {
  readonly name?: string
  readonly functionHandle?: string
  readonly reference?: string
}

export const HANDLE = "function://;"

export const functionHandle = (path: string): string => HANDLE + path

export const pathOf = ({ functionHandle: handle, name, reference }: FunctionAddress): string => {
  if (name !== undefined) return canonicalPath(name)
  if (handle?.startsWith(HANDLE)) return handle.slice(HANDLE.length)
  throw new Error(`Components are not supported by convex-embedded: ${reference ?? handle}`)
}
