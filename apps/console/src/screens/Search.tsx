/** Finds turns in all sessions. */
import type { SearchKind } from "@opencode-worker/client"
import { useEffect, useState } from "react"
import { go } from "../app/navigation.ts"
import { href } from "../app/router.ts"
import { useNow, useSource } from "../app/Services.ts"
import { once } from "../data/Sources.ts"
import { marked } from "../text/marks.ts"
import { duration } from "../text/format.ts"
import { t, tn } from "../text/messages.ts"
import { Empty, Foreign, Head, Loaded } from "../ui/parts.tsx"
import { useSettled } from "../ui/useSettled.ts"
import { Place } from "./Place.tsx"

const kinds = ["prompt", "answer", "tool", "path"] as const

export default function SearchScreen({ text: given }: { readonly text: string }) {
  const [text, setText] = useState(given)
  const [kind, setKind] = useState<SearchKind | undefined>()
  // Going back shows the search before.
  useEffect(() => setText(given), [given])
  const sought = useSettled(text.trim())
  return (
    <section className="pane" aria-label={t("nav.search")}>
      <Head title={t("nav.search")} />
      <div className="pane-body narrow">
        <form
          role="search"
          className="search-form"
          onSubmit={(event) => {
            event.preventDefault()
            go({ name: "search", text: text.trim() }, { replace: true })
          }}
        >
          <input
            className="input"
            type="search"
            aria-label={t("search.label")}
            placeholder={t("search.placeholder")}
            value={text}
            maxLength={200}
            autoFocus
            onChange={({ target }) => setText(target.value)}
          />
          <select
            className="input"
            aria-label={t("search.kind")}
            value={kind ?? ""}
            onChange={({ target }) => setKind(kinds.find((each) => each === target.value))}
          >
            <option value="">{t("search.kind.all")}</option>
            {kinds.map((each) => (
              <option key={each} value={each}>
                {t(`search.kind.${each}`)}
              </option>
            ))}
          </select>
        </form>
        {sought === "" ? (
          <Empty icon="search" title={t("search.start")} text={t("search.startText")} />
        ) : (
          <Results key={`${kind}:${sought}`} text={sought} kind={kind} />
        )}
      </div>
    </section>
  )
}

const Results = ({ kind, text }: { readonly text: string; readonly kind: SearchKind | undefined }) => {
  const found = useSource(
    `search:${kind}:${text}`,
    once((client, signal) => client.search(text, { signal, ...(kind !== undefined && { kind }) }))
  )
  const now = useNow()
  return (
    <Loaded result={found}>
      {(results) =>
        results.length === 0 ? (
          <Empty icon="search" title={t("search.none")} text={t("search.noneText")} />
        ) : (
          <>
            <p className="sub" role="status">
              {tn("search.results", results.length)}
            </p>
            <ul className="items">
              {results.map(({ at, kind: by, sessionId, snippet, title, turnId, workerId }) => (
                <li key={turnId}>
                  <a className="item" href={href({ name: "session", sessionId, turnId })} data-item="">
                    <span className="line">
                      <span className="title grow clip">
                        <Foreign>{title === "" ? t("sessions.new") : title}</Foreign>
                      </span>
                      {by !== null && <span className="tag">{t(`search.by.${by}`)}</span>}
                      <span className="age">{duration(now - at)}</span>
                    </span>
                    <span className="sub block clip">
                      <Place workerId={workerId} />
                    </span>
                    <span className="snippet">
                      {marked(snippet, text).map(({ isMatch, part }, index) =>
                        isMatch ? (
                          <mark key={index}>
                            <Foreign>{part}</Foreign>
                          </mark>
                        ) : (
                          <Foreign key={index}>{part}</Foreign>
                        )
                      )}
                    </span>
                  </a>
                </li>
              ))}
            </ul>
          </>
        )
      }
    </Loaded>
  )
}
