/** jq in WebAssembly. A module of its own, so that the bundle loads it only with `--jq`. */
export { raw } from "jq-wasm"
