/** A prompt that is being written. Pure. */
export interface DraftState {
  readonly text: string
  readonly files: ReadonlyArray<File>
  /** The idempotency key of the prompt; null while there is nothing to send. */
  readonly key: string | null
}

export const emptyDraft: DraftState = { text: "", files: [], key: null }

/** The draft after a change. The key is made with its first character or file, and lost with its last. */
export const typed = (
  { files, key, text }: DraftState,
  change: Partial<Pick<DraftState, "text" | "files">>,
  makeKey: () => string
): DraftState => {
  const next = { text: change.text ?? text, files: change.files ?? files }
  const isEmpty = next.text === "" && next.files.length === 0
  return { ...next, key: isEmpty ? null : (key ?? makeKey()) }
}
