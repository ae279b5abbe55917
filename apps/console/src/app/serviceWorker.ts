/** Registers the service worker. */

const url = "/sw.js"

interface Policies {
  readonly createPolicy: (
    name: string,
    rules: { createScriptURL: (input: string) => string }
  ) => {
    createScriptURL(input: string): string
  }
}

/** The only script URL that the page makes, for browsers that check Trusted Types. */
const scriptUrl = (): string => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- not all browsers have it, and neither has the DOM library
  const { trustedTypes } = globalThis as { readonly trustedTypes?: Policies }
  return trustedTypes === undefined
    ? url
    : trustedTypes.createPolicy("opencode-worker", { createScriptURL: () => url }).createScriptURL(url)
}

export const registerServiceWorker = (): void => {
  if (!("serviceWorker" in navigator)) return
  navigator.serviceWorker.register(scriptUrl(), { type: "module" }).catch(() => undefined)
}
