/** The changes of a configuration that the supervisor applies. Pure. */

export interface Changes<A> {
  /** Directories whose worker is stopped. */
  readonly stop: ReadonlyArray<string>
  /** Workers that are started, after those that are stopped have ended. */
  readonly start: ReadonlyArray<A>
}

/** Compares the running workers, by directory and a text of their settings, with the wanted ones. */
export const changesOf = <A extends { readonly directory: string }>(
  running: ReadonlyMap<string, string>,
  wanted: ReadonlyArray<A>
): Changes<A> => {
  const texts = new Map(wanted.map((one) => [one.directory, JSON.stringify(one)]))
  return {
    stop: [...running].flatMap(([directory, text]) => (texts.get(directory) === text ? [] : [directory])),
    start: wanted.filter(({ directory }) => running.get(directory) !== texts.get(directory))
  }
}
