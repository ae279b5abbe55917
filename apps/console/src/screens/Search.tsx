/** Finds turns in all sessions. */
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

export default function SearchScreen({ text: given }: { readonly text: string }) {
  const [text, setText] = useState(given)
  // Going back shows the search before.
  useEffect(() => setText(given), [given])
  const sought = useSettled(text.trim())
  return (
    <section className="pane" aria-label={t("nav.search")}>
      <Head title={t("nav.search")} />
      <div className="pane-body narrow">
        <form
          role="search"
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
        </form>
        {sought === "" ? (
          <Empty icon="search" title={t("search.start")} text={t("search.startText")} />
        ) : (
          <Results key={sought} text={sought} />
        )}
      </div>
    </section>
  )
}

const Results = ({ text }: { readonly text: string }) => {
  const found = useSource(
    `search:${text}`,
    once((client, signal) => client.search(text, { signal }))
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
              {results.map(({ at, sessionId, snippet, title, turnId, workerId }) => (
                <li key={turnId}>
                  <a className="item" href={href({ name: "session", sessionId, turnId })} data-item="">
                    <span className="line">
                      <span className="title grow clip">
                        <Foreign>{title === "" ? t("sessions.new") : title}</Foreign>
                      </span>
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
