/**
 * Ends the servers of a host that could not do it itself: killed by -9, by SIGHUP, out of memory, crashed.
 *
 * A tiny shell in a session of its own holds a pipe whose other end only this process has. The pipe closes with us,
 * however we end; then the shell ends every process that carries our mark, and itself. It carries no mark.
 */
import { spawn } from "node:child_process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Belonging } from "./belonging.ts"
import { groupName } from "./controlGroup.ts"
import { hostIdVariable } from "./processTable.ts"

/**
 * Lines on standard input: `server PID` (a server was started), `server` (it is gone: its pid may be another process's),
 * `known PID/START…` (processes that belong to the host), `group FOLDER` (its control group), `folder PATH` (its private
 * files), `done` (nothing is left). End of input without `done` means that the host is dead.
 *
 * `found` is `belonging.ts` in awk. Its results are remembered by pid and start time, and killed at once, so
 * a pid that went to another process is not killed. Without /proc (macOS) the tree below the last server stands in for all of it.
 */
const script = String.raw`
trap '' HUP INT TERM
mark="${hostIdVariable}=$1" name="/$2" server= folder= known= group=
while read -r word value; do
  case $word in
    server) server=$value ;; known) known=$value ;; group) group=$value ;; folder) folder=$value ;; done) exit 0 ;;
  esac
done
found() {
  if [ -r /proc/self/environ ]; then
    marked=$({ grep -lzxF "$mark" /proc/[0-9]*/environ; grep -lF "$name" /proc/[0-9]*/cgroup; } 2>/dev/null | cut -d/ -f3 | tr '\n' ' ')
    cat /proc/[0-9]*/stat 2>/dev/null |
      sed -n 's/^\([0-9]*\) (.*) \([A-Z]\) \([0-9]*\) [0-9-]* \([0-9-]*\) \(.*\)/\1 \2 \3 \4 \5/p' |
      awk -v marked="$marked" -v known="$known" '
        BEGIN {
          n = split(marked, list, " "); for (i = 1; i <= n; i++) mark[list[i]] = 1
          n = split(known, list, " "); for (i = 1; i <= n; i++) { split(list[i], pair, "/"); was[pair[1]] = pair[2] }
        }
        $2 != "Z" && $2 != "X" { parent[$1] = $3; sid[$1] = $4; start[$1] = $20 }
        END {
          more = 1
          while (more) {
            more = 0
            for (p in sid) {
              if ((p in own) || !((p in mark) || was[p] == start[p] || (parent[p] in own) || (sid[p] in sessions))) continue
              own[p] = 1; more = 1
              if (sid[p] > 0 && ((sid[p] in own) || !(sid[p] in sid))) sessions[sid[p]] = 1
            }
            for (p in own) if (sid[p] in own) sessions[sid[p]] = 1
          }
          for (p in own) printf "%s/%s ", p, start[p]
        }'
  elif [ -n "$server" ]; then
    ps -axo pid=,ppid= | awk -v root="$server" '
      { parent[$1] = $2 }
      END {
        if (!(root in parent)) exit
        own[root] = 1; more = 1
        while (more) { more = 0; for (p in parent) if (!(p in own) && (parent[p] in own)) { own[p] = 1; more = 1 } }
        for (p in own) printf "%s/ ", p
      }'
  fi
}
end() {
  known="$known $targets"
  kill -"$1" $(printf '%s\n' $targets | cut -d/ -f1) 2>/dev/null
}
targets=$(found)
[ -z "$targets" ] || { end TERM; sleep 0.5; }
[ -z "$group" ] || echo 1 2>/dev/null >"$group/cgroup.kill"
rounds=0
while [ $rounds -lt 50 ]; do
  targets=$(found)
  [ -n "$targets" ] || break
  end KILL
  rounds=$((rounds + 1)) && sleep 0.1
done
[ -z "$folder" ] || rm -rf -- "$folder"
rounds=0
while [ -n "$group" ] && [ -d "$group" ] && [ $rounds -lt 50 ]; do
  find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
  rounds=$((rounds + 1)) && sleep 0.1
done
`

export interface Guard {
  /** Must be called as soon as a server's pid is known, in a scope that closes when it is gone (it matters on macOS only). */
  readonly watch: (pid: number) => Effect.Effect<void, never, Scope.Scope>
  /** A folder that must not stay behind either: configurations hold keys. Only the last one counts. */
  readonly remove: (folder: string) => Effect.Effect<void>
  /** The processes of the host, as of the last look. */
  readonly know: (known: Belonging) => Effect.Effect<void>
  /** The control group that contains the last server. */
  readonly group: (folder: string) => Effect.Effect<void>
}

/** Start it before the first server, and close it after the last one is gone. */
export const makeGuard = Effect.fnUntraced(function* (hostId: string, path: string) {
  const watcher = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const shell = spawn("/bin/sh", ["-c", script, "opencode-host-guard", hostId, groupName(hostId)], {
        cwd: "/",
        detached: true,
        env: { PATH: path },
        stdio: ["pipe", "ignore", "ignore"]
      })
      // It must never keep this process alive, nor bring it down: without it only the reaper at the next start remains.
      shell.unref()
      shell.on("error", () => {})
      shell.stdin.on("error", () => {})
      return shell
    }),
    (shell) => Effect.sync(() => shell.stdin.end("done\n"))
  )
  const send = (line: string) => Effect.sync(() => watcher.stdin.write(`${line}\n`))
  return {
    watch: (pid) => Effect.acquireRelease(send(`server ${pid}`), () => send("server")),
    remove: (folder) => send(`folder ${folder}`),
    know: ({ processes }) => send(`known ${[...processes].map(([pid, started]) => `${pid}/${started}`).join(" ")}`),
    group: (folder) => send(`group ${folder}`)
  } satisfies Guard
})
