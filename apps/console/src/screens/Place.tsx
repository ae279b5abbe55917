import { useMachines } from "../data/lists.ts"
import { shortPath } from "../text/format.ts"
import { Foreign } from "../ui/parts.tsx"

/** `studio · ~/shop` */
export const Place = ({ workerId }: { readonly workerId: string }) => {
  const worker = useMachines()(workerId)
  return worker === undefined ? null : (
    <span className="place">
      <Foreign>{worker.machine}</Foreign> · <Foreign>{shortPath(worker.directory)}</Foreign>
    </span>
  )
}
