/**
 * Ends the servers of a host that could not do it itself: killed by -9, by SIGHUP, out of memory, crashed.
 *
 * A tiny shell in a session of its own holds a pipe whose other end only this process has. The pipe closes with us,
 * however we end; then the shell ends every process that carries our mark, and itself. It carries no mark.
 */
import { spawn } from "node:child_process"
import { Effect, type Scope } from "effect"
import { markVariable } from "../Processes.ts"

/**
 * Lines on standard input: `server PID` (a server was started), `server` (it is gone: the pid may be anybody's from now
 * on), `folder PATH` (its private files), `done` (nothing is left, just leave). End of input without `done` means that
 * the host is dead. Sessions are looked at before anything is killed, as in `Processes.ts`:
 * marked processes, and those in a session that a marked process leads or whose leader is gone. Without /proc (macOS)
 * the tree below the last server stands in for the mark.
 */
const script = String.raw`
trap '' HUP INT TERM
mark="${markVariable}=$1" server= folder=
while read -r word value; do
  case $word in server) server=$value ;; folder) folder=$value ;; done) exit 0 ;; esac
done
found() {
  if [ -r /proc/self/environ ]; then
    marked=$(grep -lzxF "$mark" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 | tr '\n' ' ')
    [ -n "$marked" ] || return
    cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/^\([0-9]*\) (.*) \([A-Z]\) [0-9-]* [0-9-]* \([0-9-]*\) .*/\1 \2 \3/p' |
      awk -v marked="$marked" '
        BEGIN { n = split(marked, list, " "); for (i = 1; i <= n; i++) own[list[i]] = 1 }
        $2 != "Z" { sid[$1] = $3 }
        END {
          for (p in sid) if ((p in own) && ((sid[p] in own) || !(sid[p] in sid))) sessions[sid[p]] = 1
          for (p in sid) if ((p in own) || (sid[p] in sessions)) print p
        }'
  elif [ -n "$server" ]; then
    ps -axo pid=,ppid= | awk -v root="$server" '
      { parent[$1] = $2 }
      END {
        if (!(root in parent)) exit
        own[root] = 1; more = 1
        while (more) { more = 0; for (p in parent) if (!(p in own) && (parent[p] in own)) { own[p] = 1; more = 1 } }
        for (p in own) print p
      }'
  fi
}
targets=$(found)
[ -z "$targets" ] || kill -TERM $targets 2>/dev/null
sleep 0.5
[ -z "$targets" ] || kill -KILL $targets 2>/dev/null
rounds=0
while [ $rounds -lt 50 ]; do
  targets=$(found)
  [ -n "$targets" ] || break
  kill -KILL $targets 2>/dev/null
  rounds=$((rounds + 1)) && sleep 0.1
done
[ -z "$folder" ] || rm -rf -- "$folder"
`

export interface Guard {
  /** Must be called as soon as a server's pid is known, in a scope that closes when it is gone (it matters on macOS only). */
  readonly watch: (pid: number) => Effect.Effect<void, never, Scope.Scope>
  /** A folder that must not stay behind either: configurations hold keys. Only the last one counts. */
  readonly remove: (folder: string) => Effect.Effect<void>
}

/** Start it before the first server, and close it after the last one is gone. */
export const makeGuard = Effect.fnUntraced(function* (hostId: string, path: string) {
  const watcher = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const shell = spawn("/bin/sh", ["-c", script, "opencode-host-guard", hostId], {
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
  const tell = (line: string) => Effect.sync(() => watcher.stdin.write(`${line}\n`))
  const watch = (pid: number) => Effect.acquireRelease(tell(`server ${pid}`), () => tell("server"))
  return { watch, remove: (folder) => tell(`folder ${folder}`) } satisfies Guard
})
