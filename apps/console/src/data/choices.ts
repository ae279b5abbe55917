/** The chosen options of a question. Pure. */
export interface Choice {
  readonly labels: ReadonlyArray<string>
  /** An answer in the operator's own words. */
  readonly own: string
}

export const noChoice: Choice = { labels: [], own: "" }

export const isAnswered = ({ labels, own }: Choice): boolean => labels.length > 0 || own.trim() !== ""

/** For each question the chosen labels, then the own words. */
export const answersOf = (choices: ReadonlyArray<Choice>): Array<Array<string>> =>
  choices.map(({ labels, own }) => [...labels, ...(own.trim() === "" ? [] : [own.trim()])])
