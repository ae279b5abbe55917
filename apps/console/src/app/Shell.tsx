/** The frame of the page: navigation, the state of the connection, and the panes of the current route. */
import { lazy, type ReactNode, Suspense, useEffect } from "react"
import { InboxScreen } from "../screens/Inbox.tsx"
import { SessionsScreen } from "../screens/Sessions.tsx"
import { t } from "../text/messages.ts"
import { Icon, type IconName } from "../ui/icons.tsx"
import { Empty, Head, Loading } from "../ui/parts.tsx"
import { useKeyboard } from "./keyboard.ts"
import { useRoute } from "./navigation.ts"
import { href, parentOf, type Route, type Section, sectionOf } from "./router.ts"
import { useIsConnected, useSource } from "./Services.ts"

const NewSessionScreen = lazy(() => import("../screens/NewSession.tsx"))
const SessionScreen = lazy(() => import("../screens/Session.tsx"))
const RequestScreen = lazy(() => import("../screens/Request.tsx"))
const ChangesScreen = lazy(() => import("../screens/Changes.tsx"))
const MachinesScreen = lazy(() => import("../screens/Machines.tsx"))
const MachineScreen = lazy(() => import("../screens/Machine.tsx"))
const FilesScreen = lazy(() => import("../screens/Files.tsx"))
const DiffScreen = lazy(() => import("../screens/WorkerDiff.tsx"))
const SearchScreen = lazy(() => import("../screens/Search.tsx"))
const UsageScreen = lazy(() => import("../screens/Usage.tsx"))
const SettingsScreen = lazy(() => import("../screens/Settings.tsx"))
const Palette = lazy(() => import("./Palette.tsx"))

const detailOf = (route: Route): ReactNode => {
  switch (route.name) {
    case "request":
      return <RequestScreen key={route.requestId} requestId={route.requestId} />
    case "new":
      return <NewSessionScreen workerId={route.workerId} />
    case "session":
      return <SessionScreen key={route.sessionId} sessionId={route.sessionId} turnId={route.turnId ?? null} />
    case "changes":
      return <ChangesScreen key={route.turnId} sessionId={route.sessionId} turnId={route.turnId} />
    case "machine":
      return <MachineScreen key={route.workerId} workerId={route.workerId} />
    case "files":
      return <FilesScreen key={route.workerId} workerId={route.workerId} path={route.path} />
    case "diff":
      return <DiffScreen key={route.workerId} workerId={route.workerId} />
    default:
      return null
  }
}

const listOf = (section: Section, route: Route): ReactNode => {
  switch (section) {
    case "inbox":
      return <InboxScreen selected={route.name === "request" ? route.requestId : null} />
    case "sessions":
      return <SessionsScreen selected={"sessionId" in route ? route.sessionId : null} />
    case "machines":
      return <MachinesScreen selected={"workerId" in route ? route.workerId : null} />
    default:
      return null
  }
}

const pageOf = (section: Section, route: Route): ReactNode => {
  if (section === "search") return <SearchScreen text={route.name === "search" ? route.text : ""} />
  return section === "usage" ? <UsageScreen /> : <SettingsScreen />
}

const pick = { inbox: "inbox.pick", sessions: "sessions.pick", machines: "machines.pick" } as const

const Panes = () => {
  const route = useRoute()
  const section = sectionOf(route)
  const waiting = (
    <section className="pane">
      <Head title={t(`nav.${section}`)} back={parentOf(route)} />
      <div className="pane-body">
        <Loading />
      </div>
    </section>
  )
  if (section !== "inbox" && section !== "sessions" && section !== "machines") {
    return (
      <main className="main">
        <Suspense fallback={waiting}>{pageOf(section, route)}</Suspense>
      </main>
    )
  }
  const detail = detailOf(route)
  return (
    <main className={`main has-list ${detail === null ? "" : "has-detail"}`}>
      <Suspense fallback={waiting}>{listOf(section, route)}</Suspense>
      {detail === null ? (
        <section className="pane placeholder">
          <Empty icon={section} title={t(pick[section])} />
        </section>
      ) : (
        <Suspense fallback={waiting}>{detail}</Suspense>
      )}
    </main>
  )
}

const entries: ReadonlyArray<{ readonly section: Section & IconName; readonly isWide?: true }> = [
  { section: "inbox" },
  { section: "sessions" },
  { section: "machines" },
  { section: "search" },
  { section: "usage", isWide: true },
  { section: "settings" }
]

const Navigation = () => {
  const route = useRoute()
  const current = sectionOf(route)
  const { value: count = 0 } = useSource("inboxCount", (client, signal) => client.inbox.watchCount({ signal }))
  useEffect(() => {
    document.title = count === 0 ? t("app.name") : `(${count}) ${t("app.name")}`
    // Not all browsers have it, and some allow it in an installed page only.
    void navigator.setAppBadge?.(count)?.catch(() => undefined)
  }, [count])
  return (
    <nav className="nav" aria-label={t("nav.label")}>
      <span className="brand">
        <img src="/icon.svg" width="22" height="22" alt="" />
        {t("app.name")}
      </span>
      {entries.map(({ isWide, section }) => (
        <a
          key={section}
          className={isWide ? "wide" : ""}
          href={href(section === "search" ? { name: "search", text: "" } : { name: section })}
          {...(section === current && { "aria-current": "page" as const })}
        >
          <Icon name={section} />
          {t(`nav.${section}`)}
          {section === "inbox" && count > 0 && <span className="badge">{count > 99 ? "99+" : count}</span>}
        </a>
      ))}
    </nav>
  )
}

const Connection = () => {
  const isConnected = useIsConnected()
  return isConnected === false ? (
    <div className="banner" role="status">
      {t("status.offline")}
    </div>
  ) : null
}

export const Shell = () => {
  const { closePalette, isPaletteOpen } = useKeyboard()
  const { name } = useRoute()
  return (
    <div className={`shell ${name === "session" ? "is-writing" : ""}`}>
      <Connection />
      <Panes />
      <Navigation />
      {isPaletteOpen && (
        <Suspense fallback={null}>
          <Palette onClose={closePalette} />
        </Suspense>
      )}
    </div>
  )
}
