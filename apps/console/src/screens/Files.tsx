/** Finds and reads files of a machine that is online. */
import type { WorkerId } from "@opencode-worker/client"
import { cleanText } from "@opencode-worker/client/text"
import { useDeferredValue, useState } from "react"
import { href } from "../app/router.ts"
import { useSource } from "../app/Services.ts"
import { once } from "../data/Sources.ts"
import { bytes } from "../text/format.ts"
import { t } from "../text/messages.ts"
import { useSettled } from "../ui/useSettled.ts"
import { Empty, Foreign, Head, Loaded } from "../ui/parts.tsx"

export default function FilesScreen({ path, workerId: given }: { readonly workerId: string; readonly path: string }) {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the address; the deployment refuses others
  const workerId = given as WorkerId
  const [text, setText] = useState("")
  const sought = useSettled(useDeferredValue(text.trim()))
  return (
    <section className="pane" aria-label={t("files.title")}>
      <Head
        title={path === "" ? t("files.title") : <Foreign>{path}</Foreign>}
        back={path === "" ? { name: "machine", workerId } : { name: "files", workerId, path: "" }}
      />
      <div className="pane-body">
        {path === "" ? (
          <>
            <input
              className="input"
              type="search"
              aria-label={t("files.find")}
              placeholder={t("files.find")}
              value={text}
              onChange={({ target }) => setText(target.value)}
            />
            {sought === "" ? (
              <Empty icon="file" title={t("files.start")} />
            ) : (
              <Found key={sought} workerId={workerId} text={sought} />
            )}
          </>
        ) : (
          <Content key={path} workerId={workerId} path={path} />
        )}
      </div>
    </section>
  )
}

const Found = ({ text, workerId }: { readonly workerId: WorkerId; readonly text: string }) => {
  const found = useSource(
    `find:${workerId}:${text}`,
    once((client, signal) => client.queries.findFiles(workerId, text, { signal }))
  )
  return (
    <Loaded result={found}>
      {({ files }) =>
        files.length === 0 ? (
          <Empty icon="file" title={t("files.none")} />
        ) : (
          <ul className="items">
            {files.map((file) => (
              <li key={file}>
                <a className="item clip mono" href={href({ name: "files", workerId, path: file })} data-item="">
                  <Foreign>{file}</Foreign>
                </a>
              </li>
            ))}
          </ul>
        )
      }
    </Loaded>
  )
}

const Content = ({ path, workerId }: { readonly workerId: WorkerId; readonly path: string }) => {
  const file = useSource(
    `file:${workerId}:${path}`,
    once((client, signal) => client.queries.readFile(workerId, path, { signal }))
  )
  return (
    <Loaded result={file}>
      {({ size, text, truncated }) => (
        <>
          <p className="sub">
            {bytes(size)}
            {truncated && ` · ${t("files.truncated")}`}
          </p>
          {text === null ? (
            <Empty icon="file" title={t("files.binary")} />
          ) : (
            <pre className="code scroll" tabIndex={0} role="region" aria-label={path}>
              {cleanText(text)}
            </pre>
          )}
        </>
      )}
    </Loaded>
  )
}
