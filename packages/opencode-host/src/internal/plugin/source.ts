/** The plugin that a server loads, as a module: the functions of this folder, as source text. */
import { type GuardOptions, makeHooks } from "./hooks.ts"
import { makePaths } from "./paths.ts"
import { strictPermissions } from "./permissions.ts"

export const pluginSource = (options: GuardOptions): string => `
const options = ${JSON.stringify(options)}
const strictPermissions = ${strictPermissions.toString()}
const makePaths = ${makePaths.toString()}
const makeHooks = ${makeHooks.toString()}

export const OpenCodeHost = async (host) => makeHooks(options, strictPermissions, makePaths(), host)
`
