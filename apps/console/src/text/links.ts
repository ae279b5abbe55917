/** Targets of links in foreign text. Pure. */

/** The target if a page may link to it: http, https or mailto, without a user name, which could pass for a host. Otherwise null. */
export const safeLink = (target: string): string | null => {
  let url: URL
  try {
    url = new URL(target)
  } catch {
    return null
  }
  if (url.protocol === "mailto:") return url.href
  const isWeb = url.protocol === "http:" || url.protocol === "https:"
  return isWeb && url.username === "" && url.password === "" ? url.href : null
}
