/** Counts the HTTP requests of this process to paths that begin with `path`, until disposal. */
export const countRequests = (path: string) => {
  const original = globalThis.fetch
  const counted = { count: 0 }
  globalThis.fetch = (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    if (url.pathname.startsWith(path)) counted.count++
    return original(input, init)
  }
  return Object.assign(counted, { [Symbol.dispose]: () => void (globalThis.fetch = original) })
}

export type RequestCount = ReturnType<typeof countRequests>
