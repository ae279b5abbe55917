/**
 * The bundle uses this class in place of `Intl.Segmenter` (`quickStart.ts`): libraries create one while they are loaded, which
 * takes 10 ms of every start of the command. A character of printable ASCII is one grapheme.
 */
const printable = /^[\n\t\x20-\x7e]*$/

/** Splits text into graphemes. */
export class LazySegmenter {
  #segmenter: Intl.Segmenter | undefined

  segment(text: string): Iterable<Pick<Intl.SegmentData, "index" | "segment">> {
    if (printable.test(text)) return Array.from(text, (segment, index) => ({ segment, index }))
    this.#segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" })
    return this.#segmenter.segment(text)
  }
}
