/**
 * JavaScript that makes an OpenCode server on Linux adopt its orphans (`PR_SET_CHILD_SUBREAPER`), in its runtime (Bun).
 *
 * A daemon loses its parent, and then nothing connects it with the server. An orphan that the server adopts stays below
 * it. Adopted processes that have ended are collected too: Bun collects its own children within milliseconds, so one
 * that has been a zombie for three looks is not Bun's. Where this does not work, the server runs without it.
 */
export const adopt = `try {
  const { dlopen } = await import("bun:ffi")
  const { readdirSync, readFileSync } = await import("node:fs")
  const musl = process.arch === "arm64" ? "libc.musl-aarch64.so.1" : "libc.musl-x86_64.so.1"
  const open = (name) => {
    try {
      return dlopen(name, {
        prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
        waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" }
      }).symbols
    } catch {}
  }
  const libc = open("libc.so.6") ?? open(musl)
  const PR_SET_CHILD_SUBREAPER = 36, WNOHANG = 1
  if (libc?.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) === 0) {
    let seen = new Map()
    const ended = () => readdirSync("/proc/self/task").flatMap((task) =>
      readFileSync("/proc/self/task/" + task + "/children", "latin1").trim().split(" ").filter((pid) => {
        try {
          return pid !== "" && /\\) Z /.test(readFileSync("/proc/" + pid + "/stat", "latin1"))
        } catch {
          return false
        }
      }))
    setInterval(() => {
      try {
        const now = new Map()
        for (const pid of ended()) {
          const looks = (seen.get(pid) ?? 0) + 1
          if (looks < 3) now.set(pid, looks)
          else libc.waitpid(Number(pid), null, WNOHANG)
        }
        seen = now
      } catch {}
    }, 5000).unref()
  }
} catch {}
`
