/** The `Content-Security-Policy` of static files. Pure. */

/** The text for the `Host` of a request, or the same text for all. */
export type AssetPolicy = string | ((host: string | undefined) => string)

export const policyText = (policy: AssetPolicy, host: string | undefined): string =>
  typeof policy === "string" ? policy : policy(host)

/**
 * Scripts, styles and connections of the own origin. `trustedTypes`: the policies that scripts may create; any if absent.
 * Not all browsers count WebSockets to the host as `'self'`, so the host is named.
 */
export const defaultPolicy =
  (trustedTypes: ReadonlyArray<string> | undefined): AssetPolicy =>
  (host) => {
    const sockets = host !== undefined && /^[\w.:[\]-]+$/.test(host) ? ` ws://${host} wss://${host}` : ""
    return [
      "default-src 'none'",
      "script-src 'self'",
      `connect-src 'self'${sockets}`,
      "img-src 'self' blob: data:",
      "style-src 'self'",
      "worker-src 'self'",
      "manifest-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'none'",
      "require-trusted-types-for 'script'",
      ...(trustedTypes === undefined
        ? []
        : [`trusted-types ${trustedTypes.length === 0 ? "'none'" : trustedTypes.join(" ")}`])
    ].join("; ")
  }
