/** The systemd unit of `service install`. Pure. */

export interface ServiceOptions {
  /** Paths of Node.js, of the command, and of the configuration file. */
  readonly node: string
  readonly program: string
  readonly config: string
  /** The PATH of the shell that installs the service, in which OpenCode's tools find their programs. */
  readonly path: string
}

/** A value in a unit file: `%` begins a specifier, and in ExecStart `$` begins a variable. */
const quote = (text: string): string =>
  `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%")}"`
const argument = (text: string): string => quote(text.replaceAll("$", "$$$$"))

/** Codes with which a restart does not help: wrong command line, not authorised, wrong configuration. */
export const finalCodes = [2, 77, 78] as const

export const systemdUnit = ({ config, node, path, program }: ServiceOptions): string => `[Unit]
Description=opencode-worker
Documentation=https://github.com/opencode-worker/opencode-worker/blob/main/docs/operations.md
StartLimitIntervalSec=10min
StartLimitBurst=20

[Service]
Type=exec
ExecStart=${[node, program, "start", "--config", config].map(argument).join(" ")}
ExecReload=/bin/kill -HUP $MAINPID
WorkingDirectory=%h
Environment=${quote(`PATH=${path}`)}
# Keys of model providers, one NAME=value per line.
EnvironmentFile=-%E/opencode-worker/environment
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=${finalCodes.join(" ")}
# The command drains for 30 s. A second signal would cut the turns.
KillMode=mixed
TimeoutStopSec=60
# Each OpenCode server has a control group of its own below this one.
Delegate=yes
# A tool that the kernel ends for its memory does not end the worker.
OOMPolicy=continue
# No setuid program raises the rights of the agent's commands. Files, network and devices stay as in your shell.
NoNewPrivileges=yes
LimitCORE=0

[Install]
WantedBy=default.target
`
