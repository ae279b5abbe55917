const folder = process.env["NODE_COMPILE_CACHE"]

/** For the environment of a Node.js program: the compile cache of the tests, if they have one (`vitest.config.ts`). */
export const compileCache: Readonly<Record<string, string>> = folder === undefined ? {} : { NODE_COMPILE_CACHE: folder }
