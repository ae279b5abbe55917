/** An item of a `List`, which carries its links. An item is in at most one list at a time. */
export interface Linked<T extends Linked<T>> {
  list: List<T> | undefined
  previous: T | undefined
  next: T | undefined
}

/** A doubly linked list in order of insertion. Unlike a `Set` it allocates nothing per item and has no holes. */
export class List<T extends Linked<T>> implements Iterable<T> {
  first: T | undefined = undefined
  last: T | undefined = undefined
  size = 0

  add(item: T): void {
    item.list = this
    item.previous = this.last
    if (this.last === undefined) this.first = item
    else this.last.next = item
    this.last = item
    this.size++
  }

  /** Returns whether the item was in the list. */
  delete(item: T): boolean {
    if (item.list !== this) return false
    if (item.previous === undefined) this.first = item.next
    else item.previous.next = item.next
    if (item.next === undefined) this.last = item.previous
    else item.next.previous = item.previous
    item.list = item.previous = item.next = undefined
    this.size--
    return true
  }

  /** The item that is visited may be deleted. */
  *[Symbol.iterator](): Generator<T, void> {
    let item = this.first
    while (item !== undefined) {
      const { next }: T = item
      yield item
      item = next
    }
  }
}
