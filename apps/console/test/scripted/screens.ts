/** Every screen of the page in every state that it can be in. */
import type { Page } from "@opencode-worker/harness/browser"
import type { makeWorld } from "./world.ts"

/** In the page. */
declare const scripted: ReturnType<typeof makeWorld>

export interface Shown {
  readonly path: string
  /** An element that the screen has in this state. */
  readonly shown: string
  /** Brings the screen into the state. */
  readonly prepare?: (page: Page) => Promise<void>
}

const press = (name: string) => (page: Page) => page.getByRole("button", { name, exact: true }).first().click()

/** The screens with everything that they can show. */
const full: Readonly<Record<string, readonly [hash: string, shown: string]>> = {
  inbox: ["#/inbox", "text=pnpm test --filter cart"],
  command: ["#/inbox/request1", ".request-actions"],
  edit: ["#/inbox/request3", ".diff"],
  question: ["#/inbox/request4", ".question"],
  sessions: ["#/sessions", ".items .item"],
  session: ["#/sessions/session1", "text=integers of tenths"],
  "new session": ["#/sessions/new", "text=What should the agent do?"],
  changes: ["#/sessions/session1/changes/turn1", ".diff"],
  machines: ["#/machines", "text=ci-box"],
  machine: ["#/machines/worker1", "text=typescript"],
  files: ["#/machines/worker1/files", "text=Type a part of a path"],
  file: ["#/machines/worker1/files?path=src%2Fcart%2Ftotal.ts", "text=export const total"],
  diff: ["#/machines/worker1/diff", ".diff"],
  search: ["#/search?q=totals", "mark"],
  usage: ["#/usage", ".bars"],
  settings: ["#/settings", "text=every edit in this project"]
}

const states = (scenario: string, shown?: string): Readonly<Record<string, Shown>> =>
  Object.fromEntries(
    Object.entries(full).map(([name, [hash, element]]) => [
      name,
      { path: `?scenario=${scenario}${hash}`, shown: shown ?? element }
    ])
  )

const disconnect = async (page: Page) => {
  await page.evaluate(() => scripted.script.setConnected(false))
  await page.getByText("Offline.").waitFor()
}

/** Without a network, over what was read before: each is loaded with a connection. */
const offline = (): Readonly<Record<string, Shown>> =>
  Object.fromEntries(
    Object.entries(full).map(([name, [hash, shown]], index) => [
      name,
      { path: `?offline=${index}${hash}`, shown, prepare: disconnect }
    ])
  )

/** A search for files has nothing to load before a word is typed. */
const withoutFiles = (all: Readonly<Record<string, Shown>>): Readonly<Record<string, Shown>> =>
  Object.fromEntries(Object.entries(all).filter(([name]) => name !== "files"))

const others: Readonly<Record<string, Shown>> = {
  "inbox, empty": { path: "?scenario=empty#/inbox", shown: "text=Nothing waits for you" },
  "sessions, empty": { path: "?scenario=empty#/sessions", shown: "text=No sessions yet" },
  "new session, empty": { path: "?scenario=empty#/sessions/new", shown: "text=Add a machine first" },
  "machines, empty": { path: "?scenario=empty#/machines", shown: "text=No machines yet" },
  "usage, empty": { path: "?scenario=empty#/usage", shown: "text=No usage in these days" },
  "search, nothing": { path: "#/search?q=nothing", shown: "text=Nothing found" },
  "search, start": { path: "#/search", shown: "text=Prompts, answers, titles" },
  "request, closed": { path: "#/inbox/unknown", shown: "text=no longer waits" },
  "request, read only": { path: "?scenario=read&scope=read#/inbox/request1", shown: "text=may not do that" },
  "settings, read only": { path: "?scenario=read&scope=read#/settings", shown: "text=Appearance" },
  "request, longer": {
    path: "?longer#/inbox/request3",
    shown: ".request-actions",
    prepare: press("Allow for longer…")
  },
  "request, with why": { path: "?why#/inbox/request3", shown: ".request-actions", prepare: press("Deny, with why…") },
  "session, failed": { path: "?model#/sessions/session3", shown: "text=gave up after 6 tries" },
  "session, without prompts": { path: "#/sessions/session2", shown: "text=No prompts yet" },
  "session, unknown": { path: "#/sessions/unknown", shown: "text=There is no such session" },
  "session, at a turn": { path: "#/sessions/session1?turn=turn1", shown: ".attachments img" },
  "session, commands": {
    path: "?commands#/sessions/session3",
    shown: "text=gave up after 6 tries",
    prepare: async (page) => {
      await page.getByLabel("Prompt", { exact: true }).fill("/")
      await page.getByRole("option").first().waitFor()
    }
  },
  "session, unknown command": {
    path: "?unknown#/sessions/session3",
    shown: "text=gave up after 6 tries",
    prepare: async (page) => {
      await page.getByLabel("Prompt", { exact: true }).fill("/not-there")
      await press("Send")(page)
      await page.getByText("There is no command").waitFor()
    }
  },
  "session, model": {
    path: "?model#/sessions/session3",
    shown: "text=gave up after 6 tries",
    prepare: press("Model and agent")
  },
  "session, actions": {
    path: "?actions#/sessions/session3",
    shown: "text=gave up after 6 tries",
    prepare: press("Session actions")
  },
  "session, shell": {
    path: "?shell#/sessions/session3",
    shown: "text=gave up after 6 tries",
    prepare: async (page) => {
      await press("Session actions")(page)
      await press("Shell command…")(page)
      await page.getByRole("textbox", { name: "Command" }).fill("git status")
      await page.keyboard.press("Enter")
      await page.getByText("git status: done").waitFor()
    }
  },
  "session, queue": {
    path: "?queue#/sessions/session1",
    shown: "text=1 prompt waits",
    prepare: (page) => page.getByRole("button", { name: "1 prompt waits" }).click()
  },
  "changes, undo": { path: "?undo#/sessions/session1/changes/turn1", shown: ".diff", prepare: press("Undo") },
  "machines, add": { path: "?add#/machines", shown: "text=ci-box", prepare: press("Add a machine") },
  "machines, found": {
    path: "?found#/machines",
    shown: "text=ci-box",
    prepare: async (page) => {
      await press("Add a machine")(page)
      await page.getByLabel("Code").fill("ABCD-EFGH")
      await press("Look it up")(page)
      await page.getByText("203.0.113.7").waitFor()
    }
  },
  "machine, revoke": { path: "?revoke#/machines/worker1", shown: "text=typescript", prepare: press("Revoke") },
  "settings, code": {
    path: "?code#/settings",
    shown: "text=every edit in this project",
    prepare: async (page) => {
      await press("Add a device")(page)
      await page.getByLabel("Name").fill("Tablet")
      await press("Create a code")(page)
      await page.locator(".qr svg").waitFor()
    }
  },
  "settings, target": {
    path: "?target#/settings",
    shown: "text=every edit in this project",
    prepare: press("Add a target")
  },
  palette: { path: "?palette#/inbox", shown: "text=Allow once", prepare: (page) => page.keyboard.press("Control+k") },
  pair: { path: "?pair=1#/", shown: "text=Pair this device" },
  "pair, login": { path: "?pair=login#/", shown: "text=Sign in with login.test" }
}

/** By kind of state: each is one test. */
export const screens = {
  loaded: states("full"),
  loading: withoutFiles(states("loading", ".skeleton")),
  failing: withoutFiles(states("failing", ".problem")),
  offline: offline(),
  other: others
}
