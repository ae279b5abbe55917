import { defineConfig } from "tsup"

// `node:sqlite` has no name without the prefix, which tsup strips unless told.
export default defineConfig({ removeNodeProtocol: false })
