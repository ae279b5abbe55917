/** The launchd property list of `service install`. Pure. launchd itself is not tested. */
import { finalCodes, type ServiceOptions } from "./systemdUnit.ts"

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
const string = (text: string): string => `<string>${escape(text)}</string>`

/**
 * launchd cannot prevent a restart by the exit code, but it does not restart after success: final codes become 0. The shell
 * passes the signal of a stop on, so that the worker drains. It does so from before the worker runs, because a signal that
 * ends the shell alone would leave the worker running.
 */
export const wrapper = `trap 'kill -TERM $! 2>/dev/null || exit 0' TERM
trap 'kill -HUP $! 2>/dev/null' HUP
"$@" & pid=$!
while :; do
  wait $pid; code=$?
  kill -0 $pid 2>/dev/null || break
done
case $code in ${finalCodes.join("|")}) exit 0 ;; esac
exit $code`

export const launchdLabel = (name: string): string => `dev.opencode-worker.${name}`

export const launchdPlist = (options: ServiceOptions & { readonly name: string; readonly log: string }): string => {
  const { config, log, name, node, path, program } = options
  const words = ["/bin/sh", "-c", wrapper, "opencode-worker", node, program, "start", "--config", config]
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  ${string(launchdLabel(name))}
  <key>ProgramArguments</key>
  <array>
    ${words.map(string).join("\n    ")}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>PATH</key>
    ${string(path)}
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>10</integer>
  <key>ExitTimeOut</key>
  <integer>60</integer>
  <key>StandardOutPath</key>
  ${string(log)}
  <key>StandardErrorPath</key>
  ${string(log)}
</dict>
</plist>
`
}
