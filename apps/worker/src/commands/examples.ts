/** Examples in the help of a command. */
interface Example {
  readonly command: string
  readonly description: string
}

export const examples = {
  dev: [
    { command: "opencode-worker dev", description: "Host the current directory, and chat" },
    { command: "opencode-worker dev --demo --sample-prompt", description: "Try it without a model of your own" }
  ],
  start: [
    {
      command: "opencode-worker start --url https://happy-otter-123.convex.cloud",
      description: "Host the current directory for a deployment"
    },
    {
      command: "opencode-worker start --config worker.jsonc --health-listen 127.0.0.1:9464",
      description: "Host the directories of a file, with /healthz and /metrics"
    }
  ],
  serve: [{ command: "opencode-worker serve --port 3210", description: "Serve the web console at a fixed port" }],
  send: [
    { command: 'opencode-worker send --worker laptop "Fix the failing test"', description: "Print the answer" },
    {
      command: "opencode-worker send -F task.md --worker ci --on-request fail --timeout 20m --format json",
      description: "For CI: one JSON object, exit code 5 if a person is needed"
    }
  ],
  chat: [
    { command: "opencode-worker chat --worker laptop", description: "Start a session on this worker" },
    { command: "opencode-worker chat js70d2", description: "Continue the session whose id begins so" }
  ],
  inbox: [
    { command: "opencode-worker inbox ls", description: "List what waits for you" },
    { command: "opencode-worker inbox ls --watch", description: "Print the number of items at each change" }
  ],
  allow: [
    { command: "opencode-worker allow k57f2c", description: "Allow the request whose id begins so, once" },
    { command: "opencode-worker inbox ls", description: "List the ids of the requests that wait" }
  ],
  answer: [{ command: 'opencode-worker answer k57f2c "Yes"', description: "Answer a question" }],
  sessions: [
    { command: "opencode-worker sessions ls --limit 100", description: "List the latest 100 sessions" },
    { command: "opencode-worker sessions show js70d2", description: "Print the prompts and answers of a session" }
  ],
  turns: [
    { command: "opencode-worker turns wait js70d2", description: "Wait for the newest turn of a session" },
    { command: "opencode-worker turns ls js70d2 --json turnId,status", description: "List the turns as JSON" }
  ],
  workers: [
    { command: "opencode-worker workers ls", description: "List your workers" },
    { command: "opencode-worker workers drain laptop", description: "Stop one when its turns have ended" }
  ],
  approve: [
    {
      command: "opencode-worker approve 895S-Q5Y7 --url https://happy-otter-123.convex.cloud",
      description: "As the device of this machine, or with OPENCODE_WORKER_TOKEN"
    }
  ],
  login: [
    {
      command: "opencode-worker login ABCD-1234 --url https://happy-otter-123.convex.cloud",
      description: "Sign in with a code of opencode-worker devices add"
    }
  ],
  service: [
    { command: "opencode-worker service install --config worker.jsonc", description: "Run start at each login" },
    { command: "opencode-worker service logs --follow", description: "Follow its log" }
  ],
  config: [
    { command: "opencode-worker config check", description: "Check the configuration and the directories" },
    { command: "opencode-worker config print", description: "Print each setting with its origin" }
  ],
  doctor: [
    { command: "opencode-worker doctor", description: "Check this machine and the current directory" },
    {
      command: "opencode-worker doctor --url https://happy-otter-123.convex.cloud",
      description: "Check the deployment as well"
    }
  ]
} satisfies Readonly<Record<string, ReadonlyArray<Example>>>
