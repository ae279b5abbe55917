/** The files of a turn: images as pictures of their bytes, all others as downloads. */
import type { Turn, TurnFile, TurnView } from "@opencode-worker/client"
import { cleanLine } from "@opencode-worker/client/text"
import { useEffect, useState } from "react"
import { useServices, useSource } from "../app/Services.ts"
import { once } from "../data/Sources.ts"
import { bytes } from "../text/format.ts"
import { t } from "../text/messages.ts"

/** Formats without scripts: an SVG is a download. */
const pictures: ReadonlySet<string> = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"])

/** The address of a copy of the bytes, with a type of the list above, whatever the server says. */
const usePicture = ({ type, url }: TurnFile): string | null => {
  const [address, set] = useState<string | null>(null)
  useEffect(() => {
    if (url === null || !pictures.has(type)) return undefined
    const stop = new AbortController()
    let made: string | undefined
    const load = async () => {
      const response = await fetch(url, { signal: stop.signal, credentials: "omit" })
      if (!response.ok) return
      made = URL.createObjectURL(new Blob([await response.arrayBuffer()], { type }))
      if (stop.signal.aborted) URL.revokeObjectURL(made)
      else set(made)
    }
    // Without it the download stays.
    load().catch(() => undefined)
    return () => {
      stop.abort()
      if (made !== undefined) URL.revokeObjectURL(made)
    }
  }, [type, url])
  return address
}

const FileOf = ({ file }: { readonly file: TurnFile }) => {
  const { name, size, url } = file
  const picture = usePicture(file)
  const shown = cleanLine(name)
  if (url === null) return <span className="chip">{shown}</span>
  return (
    <a className="attachment" href={url} download={name} target="_blank" rel="noopener noreferrer">
      {picture !== null && <img src={picture} alt={shown} />}
      <span className="clip">
        <bdi>{shown}</bdi> · {bytes(size)}
      </span>
    </a>
  )
}

/** The outline has the number of a tool's files only: they are not read yet. */
const isKnown = ({ file, name }: { readonly file: TurnFile | undefined; readonly name: string }): boolean =>
  file !== undefined || name !== ""

/** `of`: those of the prompt, or these files of the answer. One that is not stored is shown by its name. */
export const TurnFiles = ({
  of,
  turn
}: {
  readonly turn: Turn
  readonly of: "prompt" | ReadonlyArray<TurnView.BlockFile>
}) => {
  const { client } = useServices()
  const { value: files } = useSource(
    `files:${turn.turnId}:${turn.version ?? ""}`,
    once((_, signal) => client.files.list(turn.turnId, { signal }))
  )
  const stored = (id: TurnFile["storageId"] | null) => files?.find(({ storageId }) => storageId === id)
  const shown =
    of === "prompt"
      ? (files ?? []).filter(({ origin }) => origin === "operator").map((file) => ({ file, name: file.name }))
      : of.map(({ name, storageId }) => ({ file: stored(storageId), name })).filter(isKnown)
  if (shown.length === 0) return null
  return (
    <div className="attachments" role="group" aria-label={t(of === "prompt" ? "prompt.attached" : "block.files")}>
      {shown.map(({ file, name }, index) =>
        file === undefined ? (
          <span key={index} className="chip">
            <bdi>{cleanLine(name)}</bdi>
          </span>
        ) : (
          <FileOf key={index} file={file} />
        )
      )}
    </div>
  )
}
