/** The service manager of this machine: where its file lives, and the commands that use it. */
import { homedir, userInfo } from "node:os"
import { isAbsolute, join } from "node:path"
import { launchdLabel, launchdPlist } from "./launchdPlist.ts"
import { type ServiceOptions, systemdUnit } from "./systemdUnit.ts"

type Words = readonly [string, ...ReadonlyArray<string>]

export interface ServiceManager {
  readonly file: string
  readonly content: (options: ServiceOptions) => string
  /** Run in this order after the file was written. */
  readonly start: ReadonlyArray<Words>
  readonly stop: ReadonlyArray<Words>
  /** Run after the file was removed. */
  readonly forget: ReadonlyArray<Words>
  readonly status: Words
  readonly logs: (follow: boolean) => Words
  readonly hint: string
}

const systemd = (name: string): ServiceManager => {
  const unit = `${name}.service`
  const given = process.env["XDG_CONFIG_HOME"] ?? ""
  const reload: Words = ["systemctl", "--user", "daemon-reload"]
  return {
    file: join(isAbsolute(given) ? given : join(homedir(), ".config"), "systemd", "user", unit),
    content: systemdUnit,
    start: [reload, ["systemctl", "--user", "enable", "--now", unit]],
    stop: [["systemctl", "--user", "disable", "--now", unit]],
    forget: [reload],
    status: ["systemctl", "--user", "status", "--no-pager", unit],
    logs: (follow) => ["journalctl", "--user", "--unit", unit, "--lines", "200", ...(follow ? ["--follow"] : [])],
    hint: `It runs while you are logged in. loginctl enable-linger ${userInfo().username} keeps it running, also after a reboot.`
  }
}

const launchd = (name: string): ServiceManager => {
  const label = launchdLabel(name)
  const file = join(homedir(), "Library", "LaunchAgents", `${label}.plist`)
  const log = join(homedir(), "Library", "Logs", `${name}.log`)
  const domain = `gui/${userInfo().uid}`
  return {
    file,
    content: (options) => launchdPlist({ ...options, name, log }),
    start: [["launchctl", "bootstrap", domain, file]],
    stop: [["launchctl", "bootout", `${domain}/${label}`]],
    forget: [],
    status: ["launchctl", "print", `${domain}/${label}`],
    logs: (follow) => ["tail", "-n", "200", ...(follow ? ["-F"] : []), log],
    hint: "Services of launchd are not tested by this project: report what does not work."
  }
}

/** Undefined on a system with another service manager. */
export const serviceManager = (
  name: string,
  platform: NodeJS.Platform = process.platform
): ServiceManager | undefined =>
  platform === "linux" ? systemd(name) : platform === "darwin" ? launchd(name) : undefined
